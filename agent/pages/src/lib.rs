//! Gives pages of program files back that only the start needed.
//!
//! Reading the configuration, checking certificates and preparing a model run most of an agent's code once. Its pages stay
//! mapped after that and count as the agent's memory, several times what it needs from then on. Here the kernel is told
//! that they are not needed: they leave the process, stay in the page cache while there is room, and come back one by one
//! where they are used again. Why, and what it brings: `docs/decisions/025-pages-of-the-start.md`.

#[cfg(target_os = "linux")]
mod linux;

/// Gives back every page of a program file that this process has mapped and not changed; how many bytes were mapped of
/// them. Zero where the operating system is not Linux or does not tell what is mapped.
pub fn give_back() -> u64 {
    #[cfg(target_os = "linux")]
    return linux::give_back();
    #[cfg(not(target_os = "linux"))]
    0
}
