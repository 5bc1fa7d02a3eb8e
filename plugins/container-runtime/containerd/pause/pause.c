/*
 * The first process of a sandbox: holds the pod's namespaces, and as process 1 of a shared process namespace it reaps what its
 * containers leave behind. It links to nothing, so that its bytes depend on the compiler alone.
 */
#if defined(__x86_64__)
enum { sys_rt_sigprocmask = 14, sys_exit_group = 231, sys_wait4 = 61, sys_rt_sigtimedwait = 128 };
static long call(long number, long a, long b, long c, long d) {
  long result;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { sys_rt_sigprocmask = 135, sys_exit_group = 94, sys_wait4 = 260, sys_rt_sigtimedwait = 137 };
static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "an architecture that pause does not know"
#endif

#define bit(signal) (1ul << ((signal) - 1))

enum { sigint = 2, sigterm = 15, sigchld = 17, sig_block = 0, wnohang = 1 };

void _start(void) {
  const unsigned long awaited = bit(sigint) | bit(sigterm) | bit(sigchld);
  call(sys_rt_sigprocmask, sig_block, (long)&awaited, 0, sizeof awaited);
  for (;;) {
    const long signal = call(sys_rt_sigtimedwait, (long)&awaited, 0, 0, sizeof awaited);
    if (signal == sigint || signal == sigterm) call(sys_exit_group, 0, 0, 0, 0);
    while (call(sys_wait4, -1, 0, wnohang, 0) > 0) {
    }
  }
}
