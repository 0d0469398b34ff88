// A program with threads that tells what they are, by its libc and by the kernel: "PTHREAD TID" a line, its own thread
// first, then "ready". It is killed by the test, or ends by its alarm. In C, so that musl's compiler takes it too.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kThreads = 5 };

static pthread_barrier_t all_told;

static void tell(void) { printf("%lu %ld\n", (unsigned long)pthread_self(), syscall(SYS_gettid)); }

static void* tell_and_wait(void* unused) {
  (void)unused;
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one_at_a_time);
  tell();
  pthread_mutex_unlock(&one_at_a_time);
  pthread_barrier_wait(&all_told);
  pause();
  return NULL;
}

int main(void) {
  alarm(120);
  pthread_barrier_init(&all_told, NULL, kThreads + 1);
  tell();
  for (int i = 0; i < kThreads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, tell_and_wait, NULL) != 0) return 1;
  }
  pthread_barrier_wait(&all_told);
  printf("ready\n");
  fflush(stdout);
  pause();
}
