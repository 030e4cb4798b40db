//! Gzip streams around archives, whole or spoilt.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// One gzip member around bytes. Little is gained by packing well what is packed for one test.
///
/// # Panics
/// Never: writing to memory cannot fail.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = encoder();
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// One gzip member around something, many zeros, and something: what it inflates to is never held.
///
/// # Panics
/// Never: writing to memory cannot fail.
#[must_use]
pub fn gzip_with_zeros(before: &[u8], zeros: u64, after: &[u8]) -> Vec<u8> {
    let mut encoder = encoder();
    encoder.write_all(before).expect("memory takes everything");
    let piece = vec![0; 1 << 20];
    let mut left = zeros;
    while left > 0 {
        let len = left.min(piece.len() as u64);
        let piece = &piece[..usize::try_from(len).unwrap_or(piece.len())];
        encoder.write_all(piece).expect("memory takes everything");
        left -= len;
    }
    encoder.write_all(after).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}
