"""System call numbers, from the kernel's headers.

x86_64 has its own table; aarch64 uses the generic one, which has no `open`, `fork`, `chmod` and
other calls that newer ones replaced. The aarch64 table has not been tried on such a machine.
"""

from __future__ import annotations

import os
import sys

LAST_KNOWN = 462
"""Highest number whose meaning was known when the filters were written (`mseal`, Linux 6.10)."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, for lists that are easier to read without quotes."""
    return tuple(text.split())


def _table(text: str) -> dict[str, int]:
    pairs = (item.split("=") for item in text.split())
    return {name: int(number) for name, number in pairs}


X86_64 = _table(
    """
    accept=43 accept4=288 access=21 acct=163 add_key=248 adjtimex=159 bind=49 bpf=321 brk=12
    capset=126 chdir=80 chmod=90 chown=92 chroot=161 clock_adjtime=305 clock_getres=229
    clock_gettime=228 clock_nanosleep=230 clock_settime=227 clone=56 clone3=435 close=3
    close_range=436 connect=42 creat=85 delete_module=176 dup=32 dup2=33 dup3=292
    epoll_create1=291 execve=59 execveat=322 exit=60 exit_group=231 faccessat=269
    faccessat2=439 fallocate=285 fanotify_init=300 fchdir=81 fchmod=91 fchmodat=268
    fchmodat2=452 fchown=93 fchownat=260 fcntl=72 finit_module=313 fork=57 fremovexattr=199
    fsconfig=431 fsetxattr=190 fsmount=432 fsopen=430 fspick=433 fstat=5 ftruncate=77 futex=202
    futimesat=261 getcwd=79 getegid=108 geteuid=107 getgid=104 getpid=39 getppid=110
    getrandom=318 getrusage=98 getxattr=191 gettid=186 gettimeofday=96 getuid=102 init_module=175
    inotify_add_watch=254
    io_uring_enter=426 io_uring_register=427 io_uring_setup=425 ioctl=16 ioperm=173 iopl=172
    ioprio_set=251 kcmp=312 kexec_file_load=320 kexec_load=246 keyctl=250 kill=62
    landlock_add_rule=445 landlock_create_ruleset=444 landlock_restrict_self=446 lchown=94
    lgetxattr=192 link=86 linkat=265 listen=50 listxattr=194 llistxattr=195 lookup_dcookie=212
    lremovexattr=198 lseek=8 lsetxattr=189
    lstat=6 madvise=28 membarrier=324 memfd_create=319 memfd_secret=447 migrate_pages=256
    mkdir=83 mkdirat=258 mknod=133 mknodat=259 mmap=9 mount=165 mount_setattr=442
    move_mount=429 move_pages=279 mprotect=10 mq_open=240 mq_unlink=241 mremap=25
    msgctl=71 msgget=68 msgrcv=70 msgsnd=69 munmap=11
    name_to_handle_at=303 nanosleep=35 newfstatat=262 open=2 open_by_handle_at=304
    open_tree=428 openat=257 openat2=437 perf_event_open=298 personality=135 pidfd_getfd=438
    pidfd_send_signal=424 pipe=22 pipe2=293 pivot_root=155 poll=7 ppoll=271 prctl=157
    prlimit64=302 process_madvise=440 process_mrelease=448 process_vm_readv=310
    process_vm_writev=311 ptrace=101 pwrite64=18 pwritev=296 quotactl=179 quotactl_fd=443
    read=0 readlink=89 readlinkat=267 readv=19 reboot=169 recvfrom=45 recvmsg=47
    removexattr=197 rename=82 renameat=264 renameat2=316 request_key=249 restart_syscall=219
    rmdir=84 rseq=334 rt_sigaction=13 rt_sigprocmask=14 rt_sigqueueinfo=129 rt_sigreturn=15
    rt_sigtimedwait=128 rt_tgsigqueueinfo=297 sched_getaffinity=204 sched_setaffinity=203
    sched_setattr=314 sched_setparam=142 sched_setscheduler=144 sched_yield=24 seccomp=317
    semctl=66 semget=64 semop=65 semtimedop=220 sendmsg=46 sendto=44
    set_robust_list=273 setdomainname=171 sethostname=170
    setns=308 setpgid=109 setpriority=141 setresuid=117 setrlimit=160 setsid=112 settimeofday=164 setuid=105
    setxattr=188 shmat=30 shmctl=31 shmget=29 sigaltstack=131 socket=41 socketpair=53
    stat=4 statx=332 swapoff=168
    swapon=167 symlink=88 symlinkat=266 syslog=103 tgkill=234 times=100 tkill=200 truncate=76
    umask=95 umount2=166 uname=63 unlink=87 unlinkat=263 unshare=272 userfaultfd=323 utime=132
    utimensat=280 utimes=235 vfork=58 vhangup=153 wait4=61 waitid=247 write=1 writev=20
    """
)
AARCH64 = _table(
    """
    accept=202 accept4=242 acct=89 add_key=217 adjtimex=171 bind=200 bpf=280 brk=214 capset=91
    chdir=49 chroot=51 clock_adjtime=266 clock_getres=114 clock_gettime=113 clock_nanosleep=115
    clock_settime=112 clone=220 clone3=435 close=57 close_range=436 connect=203
    delete_module=106 dup=23 dup3=24 epoll_create1=20 execve=221 execveat=281 exit=93
    exit_group=94 faccessat=48 faccessat2=439 fallocate=47 fanotify_init=262 fchdir=50
    fchmod=52 fchmodat=53 fchmodat2=452 fchown=55 fchownat=54 fcntl=25 finit_module=273
    fremovexattr=16 fsconfig=431 fsetxattr=7 fsmount=432 fsopen=430 fspick=433 fstat=80
    ftruncate=46 futex=98 getcwd=17 getegid=177 geteuid=175 getgid=176 getpid=172 getppid=173
    getrandom=278 getrusage=165 getxattr=8 gettid=178 gettimeofday=169 getuid=174 init_module=105
    inotify_add_watch=27
    io_uring_enter=426 io_uring_register=427 io_uring_setup=425 ioctl=29 ioprio_set=30 kcmp=272
    kexec_file_load=294 kexec_load=104 keyctl=219 kill=129 landlock_add_rule=445
    landlock_create_ruleset=444 landlock_restrict_self=446 lgetxattr=9 linkat=37 listen=201
    listxattr=11 llistxattr=12
    lookup_dcookie=18 lremovexattr=15 lseek=62 lsetxattr=6 madvise=233 membarrier=283
    memfd_create=279 memfd_secret=447 migrate_pages=238 mkdirat=34 mknodat=33 mmap=222 mount=40
    mount_setattr=442 move_mount=429 move_pages=239 mprotect=226 mq_open=180 mq_unlink=181
    mremap=216
    msgctl=187 msgget=186 msgrcv=188 msgsnd=189 munmap=215 name_to_handle_at=264
    nanosleep=101 newfstatat=79
    open_by_handle_at=265 open_tree=428 openat=56 openat2=437 perf_event_open=241
    personality=92 pidfd_getfd=438 pidfd_send_signal=424 pipe2=59 pivot_root=41 ppoll=73
    prctl=167 prlimit64=261 process_madvise=440 process_mrelease=448 process_vm_readv=270
    process_vm_writev=271 ptrace=117 pwrite64=68 pwritev=70 quotactl=60 quotactl_fd=443 read=63
    readlinkat=78 readv=65 reboot=142 recvfrom=207 recvmsg=212 removexattr=14 renameat=38
    renameat2=276 request_key=218 restart_syscall=128 rseq=293 rt_sigaction=134
    rt_sigprocmask=135 rt_sigqueueinfo=138 rt_sigreturn=139 rt_sigtimedwait=137
    rt_tgsigqueueinfo=240 sched_getaffinity=123 sched_setaffinity=122 sched_setattr=274
    sched_setparam=118 sched_setscheduler=119 sched_yield=124 seccomp=277 semctl=191
    semget=190 semop=193 semtimedop=192
    sendmsg=211 sendto=206 set_robust_list=99 setdomainname=162 sethostname=161 setns=268
    setpgid=154 setpriority=140 setresuid=147 setrlimit=164 setsid=157 settimeofday=170 setuid=146 setxattr=5
    shmat=196 shmctl=195 shmget=194 sigaltstack=132 socket=198 socketpair=199
    statx=291 swapoff=225 swapon=224
    symlinkat=36 syslog=116 tgkill=131 times=153 tkill=130 truncate=45 umask=166 umount2=39
    uname=160 unlinkat=35 unshare=97 userfaultfd=282 utimensat=88 vhangup=58 wait4=260
    waitid=95 write=64 writev=66
    """
)
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
TABLES = {"x86_64": X86_64, "aarch64": AARCH64}


def architecture() -> str:
    """Return the machine's name as the tables spell it; no table is meant for another system."""
    if sys.platform != "linux":
        return "none"
    machine = os.uname().machine.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
