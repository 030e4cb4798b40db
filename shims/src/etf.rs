//! The external term format as it comes from a peer that is not trusted.
//!
//! `eetf` reads and writes terms, but it allocates what a length field says, recurses as deep as a
//! term nests, panics on a few malformed bytes, and writes some terms wrongly (a list of negative
//! integers as a byte string, a string above 64 KiB cut off). So every frame is first walked by
//! [`scan`], which neither allocates by what it reads nor recurses; what only passes through stays
//! bytes ([`Raw`]) and is exact; only terms that are looked into are decoded, within [`Limits`];
//! and [`encode`] does the writing. The format: "External Term Format" in the ERTS reference.

pub(crate) mod encode;
pub(crate) mod raw;
pub(crate) mod scan;
pub(crate) mod tag;

pub(crate) use raw::{Raw, RawTerm};

/// What is accepted from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in bytes. A larger one ends the connection before memory is taken for it.
    pub frame_bytes: usize,
    /// How deep a term may nest that is decoded. Text may nest deeper: it is never decoded.
    pub depth: usize,
    /// How many terms within terms may be decoded: a byte on the wire can be 50 bytes in memory.
    pub terms: usize,
}

impl Default for Limits {
    /// 256 MiB, 512 levels, 4 million terms.
    fn default() -> Limits {
        Limits {
            frame_bytes: 256 << 20,
            depth: 512,
            terms: 4_000_000,
        }
    }
}

/// What is wrong with bytes that should be a term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EtfError {
    #[error("a term ends in the middle, at byte {0}")]
    Truncated(usize),
    #[error("no term has the tag {tag} (byte {at})")]
    Tag { tag: u8, at: usize },
    #[error("malformed term at byte {0}")]
    Malformed(usize),
    #[error("a term nests deeper than {0} levels")]
    TooDeep(usize),
    #[error("a term holds more than {0} terms")]
    TooMany(usize),
    #[error("{0}")]
    Decode(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::parse_frame;
    use crate::term::{Term, atom, binary, int, list, map, string, tuple};
    use erl_dist::term::{ExternalFun, Float, ImproperList, Pid, Port, Reference};
    use proptest::prelude::*;

    fn terms() -> impl Strategy<Value = Term> {
        let node = || prop_oneof!["[a-z]{1,9}@[a-z]{1,9}", Just("é@host".to_owned())];
        let leaf = prop_oneof![
            any::<i64>().prop_map(int),
            (-300i64..300).prop_map(int),
            "[a-zé€ ]{0,300}".prop_map(|name| atom(&name.chars().take(255).collect::<String>())),
            any::<Vec<u8>>().prop_map(binary),
            ".{0,20}".prop_map(|text| string(&text)),
            (-1e300..1e300).prop_map(|value| Term::from(Float { value })),
            (node(), any::<[u32; 3]>())
                .prop_map(
                    |(node, [id, serial, creation])| Pid::new(node, id, serial, creation).into()
                ),
            (node(), any::<u64>(), any::<u32>()).prop_map(|(node, id, creation)| Port {
                node: node.into(),
                id,
                creation
            }
            .into()),
            (
                node(),
                prop::collection::vec(any::<u32>(), 1..6),
                any::<u32>()
            )
                .prop_map(|(node, id, creation)| Reference {
                    node: node.into(),
                    id,
                    creation
                }
                .into()),
            any::<u8>().prop_map(|arity| ExternalFun::from(("lists", "map", arity)).into()),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            let many = || prop::collection::vec(inner.clone(), 0..6);
            prop_oneof![
                many().prop_map(list),
                many().prop_map(tuple),
                prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(map),
                (prop::collection::vec(inner.clone(), 1..4), any::<i32>()).prop_map(
                    |(elements, last)| ImproperList::from((elements, int(last.into()))).into()
                ),
            ]
        })
    }

    /// A string and a list of small integers are the same term, and so are small integers of both
    /// kinds: compared as what the node would see.
    fn canonical(term: &Term) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::term(&mut bytes, term);
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_walked_to_its_end_and_read_back(term in terms()) {
            let bytes = canonical(&term);
            let extent = scan::scan(&bytes, 0).expect("it was written here");
            prop_assert_eq!(extent.end, bytes.len());
            let read = RawTerm::of(&term).as_raw().decode(&Limits::default()).expect("it is small");
            // A map has no order.
            if !term.to_string().contains("#{") {
                prop_assert_eq!(&canonical(&read), &bytes);
            }
            // Cut anywhere it is no term, and no panic.
            for end in 0..bytes.len().min(64) {
                prop_assert!(scan::scan(&bytes[..end], 0).is_err());
            }
        }

        #[test]
        fn changed_bytes_are_an_error_or_another_term_but_never_a_panic(
            term in terms(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = canonical(&term);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            look_into(&bytes);
        }

        #[test]
        fn any_bytes_are_an_error_or_a_term_but_never_a_panic(bytes in any::<Vec<u8>>()) {
            look_into(&bytes);
        }
    }

    /// Everything that is done with bytes of a peer.
    fn look_into(bytes: &[u8]) {
        let limits = Limits {
            terms: 10_000,
            ..Limits::default()
        };
        let versioned = [&[tag::VERSION], bytes].concat();
        if let Ok((term, _)) = Raw::take_versioned(&versioned) {
            let _ = (
                term.tuple(),
                term.list(),
                term.elements(),
                term.atom(),
                term.binary(),
            );
            let _ = (term.int(), term.pid_words(), term.reference_words());
            let _ = crate::io_server::flatten_text(term);
            let _ = term.decode(&limits);
        }
        parse_frame(&[&[112], versioned.as_slice(), versioned.as_slice()].concat());
    }

    #[test]
    fn terms_above_the_limits_are_refused_before_they_are_decoded() {
        let mut deep = list(vec![]);
        for _ in 0..20 {
            deep = list(vec![deep]);
        }
        let decode = |limits: &Limits| RawTerm::of(&deep).as_raw().decode(limits).map(drop);
        let limits = Limits::default();
        assert_eq!(decode(&limits), Ok(()));
        assert_eq!(
            decode(&Limits {
                depth: 10,
                ..limits
            }),
            Err(EtfError::TooDeep(10))
        );
        assert_eq!(
            decode(&Limits {
                terms: 10,
                ..limits
            }),
            Err(EtfError::TooMany(10))
        );
    }
}
