//! Nothing in, an allocator that keeps what it is given back out. Knows no tensors.

/// Has the allocator keep up to 128 MiB that were given back, for what is allocated next.
///
/// Each layer makes and drops tensors of megabytes. Left to itself, glibc gives such memory back to the system, which
/// clears every page of it before it is used again: a tenth of the time of reading a prompt. Other allocators are left
/// as they are.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MEBIBYTE: libc::c_int = 1 << 20;
        // SAFETY: both set a number of the allocator, which takes its own lock for that.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 * MEBIBYTE); // glibc takes no more
            libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * MEBIBYTE);
        }
    }
}
