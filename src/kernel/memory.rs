//! Nothing in; an allocator that keeps what it is given back, and how much memory there is, out. Knows no tensors.

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

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In all.
    pub total: u64,
    /// What a program may take without another one's being moved to disk.
    pub free: u64,
}

/// The memory of this machine; `None` where the system does not tell as Linux does.
pub fn memory() -> Option<Memory> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { total: bytes("MemTotal:")?, free: bytes("MemAvailable:")? })
}
