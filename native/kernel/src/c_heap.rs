//! The C library's heap, which this code shares with Node.

/// Chunks are mostly larger, what Node asks for is mostly smaller.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = 1 << 20;

/// From now on a large block goes back to the system as soon as it is given up. By itself glibc raises its threshold, up to
/// 32 MiB, with each block that it maps: chunks then lie in its arenas, and what is between them stays resident. A restore
/// of large files peaks 25 MB lower, in the same time. Source: mallopt(3), M_MMAP_THRESHOLD.
///
/// Does nothing where the environment says it, or with another C library.
pub fn map_large_blocks() {
    #[cfg(target_env = "gnu")]
    if std::env::var_os("MALLOC_MMAP_THRESHOLD_").is_none() {
        // SAFETY: the call takes two numbers, and locks the heap itself.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM)
        };
    }
}
