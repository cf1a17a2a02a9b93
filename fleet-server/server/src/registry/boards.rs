//! Whether the boards of the fleet have the memory that a model takes.

/// Share of a board's memory that the agent's service may take: beyond it the system ends it.
const SHARE: (u64, u64) = (2, 3);

/// A board, as it last reported.
#[derive(Debug, Clone)]
pub struct Board {
    /// The device's name.
    pub device: String,
    /// Memory of the whole board, bytes.
    pub memory_bytes: u64,
    /// Resident memory of the agent, bytes.
    pub agent_bytes: u64,
}

/// The devices on which the agent would be ended, were it to hold a model of so many bytes beside what it has.
pub fn too_small(boards: &[Board], model_bytes: u64) -> Vec<String> {
    let is_small = |board: &&Board| {
        let most = board.memory_bytes / SHARE.1 * SHARE.0;
        board.memory_bytes > 0 && board.agent_bytes.saturating_add(model_bytes) > most
    };
    boards.iter().filter(is_small).map(|board| board.device.clone()).collect()
}

/// Names as a sentence takes them: the first ones, and how many more.
pub fn listed(devices: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = devices.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match devices.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_too_small_where_the_service_would_be_ended() {
        let board =
            |device: &str, memory_bytes| Board { device: device.into(), memory_bytes, agent_bytes: 20 };
        let boards = [board("small", 90), board("large", 900), board("silent", 0)];
        assert_eq!(too_small(&boards, 40), Vec::<String>::new());
        assert_eq!(too_small(&boards, 41), ["small"]);
        assert_eq!(too_small(&boards, u64::MAX), ["small", "large"]);
    }
}
