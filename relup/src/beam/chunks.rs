//! The container: a form of the type `BEAM` with named chunks, each filled up to four bytes.

use super::BeamError;

const ALIGN: usize = 4;

/// The chunks of a module, in the file's order. Of two of one name the first counts, as for the VM.
#[derive(Debug, Clone)]
pub(super) struct Chunks<'a>(Vec<([u8; 4], &'a [u8])>);

impl<'a> Chunks<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Chunks<'a>, BeamError> {
        let rest = bytes.strip_prefix(b"FOR1").ok_or(BeamError::Beginning)?;
        let (len, rest) = length(rest)?;
        let body = rest.get(..len).ok_or(BeamError::Length)?;
        if rest.len() > len {
            return Err(BeamError::Length);
        }
        let mut rest = body.strip_prefix(b"BEAM").ok_or(BeamError::Beginning)?;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_first_chunk::<4>().ok_or(BeamError::Length)?;
            let (len, after) = length(after)?;
            let content = after.get(..len).ok_or(BeamError::Length)?;
            let padded = len.next_multiple_of(ALIGN);
            chunks.push((*name, content));
            rest = after.get(padded..).ok_or(BeamError::Length)?;
        }
        Ok(Chunks(chunks))
    }

    pub(super) fn get(&self, name: [u8; 4]) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, content)| *content)
    }
}

/// A length and what follows it.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), BeamError> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(BeamError::Length)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| BeamError::Length)?;
    Ok((len, rest))
}
