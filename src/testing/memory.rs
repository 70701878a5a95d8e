//! What the process takes.

use std::fs;

/// The memory and threads of this process at one moment. See the feature `process` for them as series.
///
/// ```
/// use tachometer::testing::ProcessMemory;
/// let now = ProcessMemory::read().expect("Linux says");
/// assert!(now.resident_bytes < now.virtual_bytes && now.threads >= 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// In RAM.
    pub resident_bytes: u64,
    /// Address space; the engine reserves much that it never touches.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessMemory {
    /// Now, from `/proc/self/status`: about 20 µs. `None` where the system does not say.
    pub fn read() -> Option<ProcessMemory> {
        Self::parse(&fs::read("/proc/self/status").ok()?)
    }

    fn parse(status: &[u8]) -> Option<ProcessMemory> {
        // A process may give itself a name that is no UTF-8.
        let status = String::from_utf8_lossy(status);
        let number = |name: &str| -> Option<u64> {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        Some(ProcessMemory {
            resident_bytes: number("VmRSS:")?.checked_mul(1024)?,
            virtual_bytes: number("VmSize:")?.checked_mul(1024)?,
            threads: number("Threads:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_and_anything_else_is_none() {
        let status = b"Name:\t\xFFx\nVmSize:\t  300 kB\nVmRSS:\t  20 kB\nThreads:\t7\n";
        let expected = ProcessMemory { resident_bytes: 20_480, virtual_bytes: 307_200, threads: 7 };
        assert_eq!(ProcessMemory::parse(status), Some(expected));
        for bad in ["", "VmRSS:\nVmSize: x kB\nThreads: 1", "VmRSS: 20 kB\nThreads: 7\n"] {
            assert_eq!(ProcessMemory::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
