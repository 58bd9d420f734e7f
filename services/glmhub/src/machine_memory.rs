//! How much memory this machine has, or the container that the program is in.

use std::{fs, path::Path};

/// Bytes of memory; none where the machine does not tell in the way of Linux.
pub fn bytes() -> Option<u64> {
    within(Path::new("/"))
}

fn within(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").and_then(|text| total(&text))?;
    // A container sees the memory of its machine; what it may take stands beside.
    let limit =
        read("sys/fs/cgroup/memory.max").or_else(|| read("sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let limit = limit.and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit: u64| limit.min(machine)))
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        within(root.path())
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree:         500 kB\n",
    );
    const ALL: u64 = 16_000_000 * 1024;

    #[test]
    fn a_container_has_what_it_may_take_and_never_more_than_its_machine() {
        let limited = |text| machine(&[MEMINFO, ("sys/fs/cgroup/memory.max", text)]);
        assert_eq!(machine(&[MEMINFO]), Some(ALL));
        assert_eq!(limited("max\n"), Some(ALL));
        assert_eq!(limited("4294967296\n"), Some(4_294_967_296));
        assert_eq!(limited("9223372036854771712\n"), Some(ALL));
        let older = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
        assert_eq!(machine(&[MEMINFO, older]), Some(1000));
    }

    #[test]
    fn a_machine_that_does_not_tell_has_no_known_memory() {
        assert_eq!(machine(&[]), None);
        assert_eq!(machine(&[("proc/meminfo", "MemTotal: much\n")]), None);
    }
}
