//! Base62 in fixed-width groups: eight big-endian bytes become eleven digits.
//!
//! Fixed width keeps every token of a kind at one length (scanners can match it with one expression) and
//! costs one 64-bit division a digit, where a single big number would cost one over all its limbs.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const GROUP: usize = 11;

/// How many digits `bytes` bytes take. `bytes` is a multiple of eight.
pub(crate) const fn width(bytes: usize) -> usize {
    bytes / 8 * GROUP
}

/// Appends `bytes` (a multiple of eight long) to `out`.
pub(crate) fn encode(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks_exact(8) {
        let mut group = [0u8; 8];
        group.copy_from_slice(chunk);
        push_digits(u64::from_be_bytes(group), GROUP, out);
    }
}

/// Reads exactly `N` bytes. `None` for a wrong length, a foreign character or a group above 64 bits,
/// so that every value has one spelling only.
pub(crate) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != width(N) {
        return None;
    }
    let mut out = [0u8; N];
    for (group, bytes) in digits.chunks_exact(GROUP).zip(out.chunks_exact_mut(8)) {
        let mut value: u64 = 0;
        for digit in group {
            value = value.checked_mul(62)?.checked_add(digit_value(*digit)?)?;
        }
        bytes.copy_from_slice(&value.to_be_bytes());
    }
    Some(out)
}

/// The checksum's spelling: six digits hold 32 bits.
pub(crate) fn checksum(text: &str, out: &mut String) {
    push_digits(u64::from(crc32fast::hash(text.as_bytes())), 6, out);
}

fn push_digits(mut value: u64, digits: usize, out: &mut String) {
    let mut buffer = [b'0'; GROUP];
    for slot in buffer[..digits].iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    out.extend(buffer[..digits].iter().map(|b| char::from(*b)));
}

fn digit_value(digit: u8) -> Option<u64> {
    Some(u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'Z' => digit - b'A' + 10,
        b'a'..=b'z' => digit - b'a' + 36,
        _ => return None,
    }))
}
