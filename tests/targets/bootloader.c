// What PyInstaller's bootloader does for a program in one file, and no more: Debian has no PyInstaller. The parent unpacks
// the libpython and the script that are appended to itself into a new folder _MEIxxxxxx, starts itself again and waits; the
// child loads that libpython and runs the script; the parent takes the folder away.
// What is appended: libpython, script, their two sizes (8 bytes each).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int unpack(FILE *from, uint64_t size, const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  char *bytes = malloc(size);
  FILE *into = fopen(path, "w");
  const int done = bytes != NULL && into != NULL && fread(bytes, 1, size, from) == size &&
                   fwrite(bytes, 1, size, into) == size && fclose(into) == 0;
  free(bytes);
  return done;
}

static int unpack_all(const char *folder) {
  uint64_t sizes[2];
  FILE *self = fopen("/proc/self/exe", "r");
  if (self == NULL || fseek(self, -(long)sizeof sizes, SEEK_END) != 0 || fread(sizes, sizeof sizes, 1, self) != 1) return 0;
  if (fseek(self, -(long)(sizeof sizes + sizes[0] + sizes[1]), SEEK_END) != 0) return 0;
  return unpack(self, sizes[0], folder, "libpython3.so.1.0") && unpack(self, sizes[1], folder, "script.py");
}

static int run(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/libpython3.so.1.0", folder);
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (library == NULL) return 1;
  void (*initialize)(int) = (void (*)(int))dlsym(library, "Py_InitializeEx");
  int (*run_file)(FILE *, const char *) = (int (*)(FILE *, const char *))dlsym(library, "PyRun_SimpleFile");
  initialize(0);
  snprintf(path, sizeof path, "%s/script.py", folder);
  return run_file(fopen(path, "r"), "script.py");
}

int main(int count, char **arguments) {
  const char *unpacked = getenv("_MEIPASS2");
  if (unpacked != NULL) return run(unpacked);
  char folder[4096];
  snprintf(folder, sizeof folder, "%s/_MEIXXXXXX", count > 1 ? arguments[1] : "/tmp");
  if (mkdtemp(folder) == NULL || !unpack_all(folder)) return 1;
  setenv("_MEIPASS2", folder, 1);
  const pid_t child = fork();
  if (child == 0) execv("/proc/self/exe", arguments);
  int status = 1;
  waitpid(child, &status, 0);
  char command[4200];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  return system(command) != 0 || status != 0;
}
