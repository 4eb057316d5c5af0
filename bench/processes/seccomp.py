"""A filter of the system calls with which a program could reach out of its namespaces.

Makes the filter as a program of the kernel's packet filter; knows x86-64 and 64-bit ARM.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from functools import cache

from bench.processes import linux

# linux/audit.h
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# numbers of x86-64 and of 64-bit ARM; None where the machine has no such call
DENIED: dict[str, tuple[int, int | None]] = {
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "statmount": (457, 457), "listmount": (458, 458),
    "open_tree_attr": (467, 467), "setns": (308, 268), "unshare": (272, 97),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # keyrings and names
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "sethostname": (170, 161), "setdomainname": (171, 162),
    # the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "iopl": (172, None), "ioperm": (173, None), "vhangup": (153, 58),
    # files by another way than their names, and what was read of them before
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "mincore": (27, 232), "cachestat": (451, 451),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # what others do with files that both may read
    "inotify_add_watch": (254, 27),
}  # fmt: skip
# absent, so that the C library takes an older call that a filter can look into
ABSENT: dict[str, tuple[int, int | None]] = {"clone3": (435, 435), "preadv2": (327, 286)}
# said to be done, and not done: others could ask which files, and which bytes of them, are locked
PRETENDED: dict[str, tuple[int, int | None]] = {"flock": (73, 32)}
FCNTL = (72, 25)
# linux/fcntl.h: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
PRETENDED_FCNTL = (6, 7, 37, 38)
# F_SETLEASE, F_NOTIFY, F_SET_RW_HINT, F_SET_FILE_RW_HINT: marks of a file, or who has it open
DENIED_FCNTL = (1024, 1026, 1036, 1038)
CLONE = (56, 220)
# namespaces of mounts, cgroups, names, IPC, users, processes and network
_NEW_NAMESPACES = 0x7E020000

_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _FAIL = 0x7FFF0000, 0x50000
# linux/bpf_common.h: load a word, jump if equal, at least or any bit set, return
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_X32 = 0x40000000


@cache
def is_known_machine() -> bool:
    """Whether ``filter_calls`` knows the numbers of this machine's system calls."""
    return linux.IS_LINUX and platform.machine() in _MACHINES


def filter_calls() -> None:
    """Holds this process and all that it starts to the filter, for good. Nothing on a machine that
    is not known. The process gains no privileges any more. Raises OSError."""
    if is_known_machine():
        linux.gain_no_privileges()
        code = _program(platform.machine())
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
        linux.control(_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(program))


@cache
def _program(machine: str) -> bytes:
    column = list(_MACHINES).index(machine)
    denied, absent = _FAIL | errno.EPERM, _FAIL | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, _MACHINES[machine]),
        (_RETURN, 0, 0, denied),  # a 32-bit program, whose numbers are others
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, absent)]
    for table, answer in ((DENIED, denied), (ABSENT, absent), (PRETENDED, _FAIL)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]
    commands = dict.fromkeys(PRETENDED_FCNTL, _FAIL) | dict.fromkeys(DENIED_FCNTL, denied)
    lines += [
        (_EQUAL, 0, 2 * len(commands) + 2, FCNTL[column]),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
    ]
    for command, answer in commands.items():
        lines += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, answer)]
    lines += [
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, 3, CLONE[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, denied),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
