//! Nothing in; an allocator that keeps what it is given back, and how much memory there is, out. Knows no tensors.

use std::path::Path;

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

/// The memory of this machine, or of the container that this process is in; `None` where the system does not tell as
/// Linux does.
pub fn memory() -> Option<Memory> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(within(&own, Path::new("/sys/fs/cgroup"), machine(&meminfo)?))
}

fn machine(meminfo: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { total: bytes("MemTotal:")?, free: bytes("MemAvailable:")? })
}

/// What of a memory the control groups leave over: the group that `own`, /proc/self/cgroup, names, and all above it.
/// What they hold of files does not count, as it can be read again.
/// (<https://docs.kernel.org/admin-guide/cgroup-v2.html>)
fn within(own: &str, root: &Path, mut memory: Memory) -> Memory {
    let group = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    for group in Path::new(group).ancestors() {
        let read = |name: &str| std::fs::read_to_string(root.join(group).join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        // A group without a limit says `max`, which is no number.
        let (Some(most), Some(held)) = (number("memory.max"), number("memory.current")) else { continue };
        let stat = read("memory.stat").unwrap_or_default();
        let of_files = stat.lines().find_map(|line| line.strip_prefix("file ")?.parse().ok()).unwrap_or(0);
        memory.total = memory.total.min(most);
        memory.free = memory.free.min(most.saturating_sub(held.saturating_sub(of_files)));
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_around_a_process_bounds_its_memory() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, most: &str, held: &str, of_files: &str| {
            let folder = root.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            let stat = format!("anon 1\nfile {of_files}\nkernel 2\n");
            for (name, text) in [("memory.max", most), ("memory.current", held), ("memory.stat", &stat)] {
                std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
            }
        };
        group("a", "1000", "700", "100");
        group("a/b", "max", "650", "0");
        group("a/b/c", "900", "100", "50");
        let machine = Memory { total: 5000, free: 4000 };
        let check = |own: &str, total: u64, free: u64| {
            assert_eq!(within(own, root.path(), machine), Memory { total, free }, "{own:?}");
        };
        check("0::/a/b/c\n", 900, 400);
        check("12:cpu:/x\n0::/a/b\n", 1000, 400);
        check("0::/\n", 5000, 4000);
        check("0::/gone\n", 5000, 4000);
        check("", 5000, 4000);
    }

    #[test]
    fn a_machine_has_the_memory_that_it_says() {
        let meminfo = "MemTotal:       2 kB\nMemFree:   9 kB\nMemAvailable:  1 kB\n";
        assert_eq!(machine(meminfo), Some(Memory { total: 2048, free: 1024 }));
        assert_eq!(machine("MemTotal: 2 kB\n"), None);
    }
}
