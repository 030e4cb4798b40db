//! Simple changes of inputs, the same ones in every run.

use fastrand::Rng;

/// An endless row of changed inputs.
pub struct Changes {
    inputs: Vec<Vec<u8>>,
    random: Rng,
}

impl Changes {
    /// Changes of these.
    #[must_use]
    pub fn of(inputs: Vec<Vec<u8>>) -> Self {
        Changes {
            inputs,
            random: Rng::with_seed(1),
        }
    }
}

impl Iterator for Changes {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut input = self.random.choice(&self.inputs)?.clone();
        for _ in 0..self.random.usize(1..6) {
            change(&mut input, &self.inputs, &mut self.random);
        }
        Some(input)
    }
}

/// One byte, a piece taken out, a piece of another input put in, or the end cut off.
fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Rng) {
    let at = random.usize(0..=input.len());
    match random.u8(0..6) {
        0 => input.truncate(at),
        1 => {
            let end = random.usize(at..=input.len().min(at + 64));
            input.drain(at..end);
        }
        2 => {
            let other = random.choice(inputs).map_or(&[][..], Vec::as_slice);
            let start = random.usize(0..=other.len());
            let end = random.usize(start..=other.len().min(start + 512));
            input.splice(at..at, other[start..end].iter().copied());
        }
        3 => input.insert(at, random.u8(..)),
        _ if at < input.len() => {
            let odd = [0, 1, b'\n', b'"', b'/', b'.', b'9', 0x7f, 0x80, 0xff];
            input[at] = random.choice(odd).unwrap_or_else(|| random.u8(..));
        }
        _ => {}
    }
}
