// A program that is no Python and runs one inside: it does one step a word on stdin, and says each when it is done.
// usage: embedder SCRIPT [LIBPYTHON]   with LIBPYTHON: loads it at the word "load"; else it is linked with one.
// Words: load, map (a page of our own executable again, executable, below and above), initialize, finalize, run (SCRIPT).
#include <Python.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef LINKED
#define python(name) name
#else
static void *library;
#define python(name) ((__typeof__(&name))dlsym(library, #name))
#endif

static void say(const char *event) {
  printf("{\"%s\": {\"pid\": %d}}\n", event, getpid());
  fflush(stdout);
}

// What libffi's static trampolines do with the object that they are linked into.
static int map_again(void) {
  const int file = open("/proc/self/exe", O_RDONLY);
  const long size = sysconf(_SC_PAGESIZE);
  char *const far_below = (char *)0x10000;
  char *const far_above = (char *)0x7ffff0000000;
  int done = file >= 0;
  for (int page = 0; page < 2 && done; ++page) {
    done = mmap(far_below + page * 2 * size, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, file,
                page * size) != MAP_FAILED &&
           mmap(far_above + page * 2 * size, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, file,
                page * size) != MAP_FAILED;
  }
  close(file);
  return done;
}

static void run(const char *script) {
  FILE *file = fopen(script, "r");
  if (file == NULL) return;
  python(PyRun_SimpleFileExFlags)(file, script, 0, NULL);
  fclose(file);
}

int main(int count, char **arguments) {
  char word[32];
  if (count < 2) return 2;
  say("started");
  while (scanf("%31s", word) == 1) {
    int done = 1;
#ifndef LINKED
    if (strcmp(word, "load") == 0) done = (library = dlopen(arguments[2], RTLD_NOW | RTLD_GLOBAL)) != NULL;
#endif
    if (strcmp(word, "map") == 0) done = map_again();
    if (strcmp(word, "initialize") == 0) python(Py_InitializeEx)(0);
    if (strcmp(word, "run") == 0) run(arguments[1]);
    if (strcmp(word, "finalize") == 0) python(Py_FinalizeEx)();
    if (!done) return 1;
    say(word);
  }
  return 0;
}
