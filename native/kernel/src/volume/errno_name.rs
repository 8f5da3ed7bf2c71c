//! Names of errors as Node gives them, for they become part of messages and of stored folders.

use std::borrow::Cow;

use rustix::io::Errno;

/// `EACCES`; of an error that Node has no name for, what Node says instead.
pub fn errno_name(errno: Errno) -> Cow<'static, str> {
    let number = errno.raw_os_error();
    match NAMES.binary_search_by_key(&number, |&(number, _)| number) {
        Ok(at) => Cow::Borrowed(NAMES[at].1),
        Err(_) => Cow::Owned(format!("Unknown system error -{number}")),
    }
}

/// Those of Linux that util.getSystemErrorMap() names and a file system may give, by number.
#[rustfmt::skip]
const NAMES: [(i32, &str); 52] = [
    (1, "EPERM"), (2, "ENOENT"), (3, "ESRCH"), (4, "EINTR"), (5, "EIO"), (6, "ENXIO"), (7, "E2BIG"), (8, "ENOEXEC"),
    (9, "EBADF"), (11, "EAGAIN"), (12, "ENOMEM"), (13, "EACCES"), (14, "EFAULT"), (16, "EBUSY"), (17, "EEXIST"),
    (18, "EXDEV"), (19, "ENODEV"), (20, "ENOTDIR"), (21, "EISDIR"), (22, "EINVAL"), (23, "ENFILE"), (24, "EMFILE"),
    (25, "ENOTTY"), (26, "ETXTBSY"), (27, "EFBIG"), (28, "ENOSPC"), (29, "ESPIPE"), (30, "EROFS"), (31, "EMLINK"),
    (32, "EPIPE"), (34, "ERANGE"), (36, "ENAMETOOLONG"), (38, "ENOSYS"), (39, "ENOTEMPTY"), (40, "ELOOP"),
    (61, "ENODATA"), (64, "ENONET"), (71, "EPROTO"), (75, "EOVERFLOW"), (84, "EILSEQ"), (95, "ENOTSUP"),
    (100, "ENETDOWN"), (101, "ENETUNREACH"), (103, "ECONNABORTED"), (104, "ECONNRESET"), (105, "ENOBUFS"),
    (107, "ENOTCONN"), (108, "ESHUTDOWN"), (110, "ETIMEDOUT"), (111, "ECONNREFUSED"), (112, "EHOSTDOWN"), (113, "EHOSTUNREACH"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_nodes_name() {
        assert!(NAMES.is_sorted());
        assert_eq!(errno_name(Errno::ACCESS), "EACCES");
        assert_eq!(errno_name(Errno::HOSTUNREACH), "EHOSTUNREACH");
        assert_eq!(errno_name(Errno::STALE), "Unknown system error -116");
    }
}
