//! Size classes: how much memory is asked for where pieces of many sizes come and go, so that the
//! hole which one of them leaves fits others. Without, a heap of thousands of queued blocks is a
//! fifth larger than what is in it. A plain calculation; whoever grows a buffer asks.

/// What glibc's malloc takes beside each piece, rounded up to its alignment. With it a class is the
/// whole of what a piece takes, so that two halves lie where one piece lay.
const HEADER_BYTES: usize = 16;
/// Classes are no further apart than a page.
const STEP_BYTES_MAX: usize = 4 << 10;

/// The least capacity of a class that holds so many bytes: classes lie about an eighth apart.
pub fn capacity(bytes: usize) -> usize {
    let whole = bytes + HEADER_BYTES;
    let step = (whole.next_power_of_two() / 16).clamp(HEADER_BYTES, STEP_BYTES_MAX);
    whole.next_multiple_of(step) - HEADER_BYTES
}

/// The least capacity that is a power of two with what lies beside it: for what grows by doubling.
pub fn doubled_capacity(bytes: usize) -> usize {
    (bytes + HEADER_BYTES).next_power_of_two() - HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_few_and_close() {
        let mut classes = std::collections::BTreeSet::new();
        for bytes in 0..100_000 {
            let class = capacity(bytes);
            assert!(bytes <= class && class <= bytes + bytes / 8 + 2 * HEADER_BYTES);
            assert_eq!(capacity(class), class, "it is its own class");
            let double = doubled_capacity(bytes);
            assert!(bytes <= double && double <= 2 * (bytes + HEADER_BYTES));
            assert_eq!(capacity(double), double, "it is a class, too");
            classes.insert(class);
        }
        assert!(classes.len() < 100, "{} classes", classes.len());
    }
}
