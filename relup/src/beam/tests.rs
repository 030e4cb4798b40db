//! Modules made byte by byte, in the forms of all versions and damaged; real ones are read in
//! `tests/otp_beams.rs`.

use super::*;

fn chunk(name: &str, body: &[u8]) -> Vec<u8> {
    let mut chunk = name.as_bytes().to_vec();
    chunk.extend(u32::try_from(body.len()).expect("short").to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn form(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let len = u32::try_from(chunks.len() + 4).expect("short");
    [b"FOR1", &len.to_be_bytes()[..], b"BEAM", &chunks].concat()
}

fn atoms(names: &[&str]) -> Vec<u8> {
    let mut table = u32::try_from(names.len())
        .expect("few")
        .to_be_bytes()
        .to_vec();
    for name in names {
        table.push(u8::try_from(name.len()).expect("short"));
        table.extend(name.as_bytes());
    }
    table
}

/// The form of OTP 28: a negative count, lengths in the compact form.
fn long_atoms(names: &[&str]) -> Vec<u8> {
    let count = i32::try_from(names.len()).expect("few");
    let mut table = (-count).to_be_bytes().to_vec();
    for name in names {
        match u8::try_from(name.len()) {
            Ok(len) if len < 16 => table.push(len << 4),
            _ => {
                let [high, low] = u16::try_from(name.len()).expect("short").to_be_bytes();
                table.extend([high << 5 | LONG, low]);
            }
        }
        table.extend(name.as_bytes());
    }
    table
}

const LONG: u8 = 0b1000;

fn table(rows: &[[u32; 3]]) -> Vec<u8> {
    let mut table = u32::try_from(rows.len())
        .expect("few")
        .to_be_bytes()
        .to_vec();
    table.extend(
        rows.iter()
            .flatten()
            .flat_map(|number| number.to_be_bytes()),
    );
    table
}

fn module(atoms: &[u8], funs: &[u8]) -> Vec<u8> {
    form(&[
        chunk("AtU8", atoms),
        chunk("Code", b"code"),
        chunk("StrT", b""),
        chunk("ImpT", &table(&[[2, 3, 1]])),
        chunk("ExpT", &table(&[[3, 0, 2]])),
        chunk("FunT", funs),
        chunk(
            "Attr",
            b"\x83\x6c\0\0\0\x01\x68\x02\x77\x03vsn\x6b\0\x01\x07\x6a",
        ),
        chunk("Line", b"any"),
    ])
}

#[test]
fn names_are_read_in_the_forms_of_all_versions() {
    let long = "ö".repeat(255);
    let names = ["m", "lists", "run", long.as_str()];
    let new = module(&long_atoms(&names), &[0; 4]);
    let parsed = Module::parse(&new).expect("a module");
    assert_eq!(parsed.name(), Ok("m"));
    assert_eq!(parsed.atoms.get(4), Some(long.as_str()));
    let old = module(&atoms(&names[..3]), &[0; 4]);
    let parsed = Module::parse(&old).expect("a module");
    let run = Function {
        name: "run",
        arity: 0,
    };
    assert_eq!(parsed.exports(), Ok(vec![run]));
    let call = Call {
        module: "lists",
        name: "run",
        arity: 1,
    };
    assert_eq!(parsed.imports(), Ok(vec![call]));
    assert_eq!(parsed.attributes().map(|found| found.len()), Ok(1));
    assert_eq!(parsed.debug_info(), None);
}

#[test]
fn what_a_compilation_stamps_is_not_part_of_the_code() {
    let fun = |old: u32| {
        let numbers = [1, 1, 1, 1, 1, 1, old];
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect::<Vec<u8>>()
    };
    let identity = |bytes: &[u8]| Module::parse(bytes).expect("a module").identity();
    let names = atoms(&["m", "lists", "run"]);
    let one = module(&names, &fun(7));
    assert_eq!(identity(&one), identity(&module(&names, &fun(8))));
    let line = one
        .windows(4)
        .position(|name| name == b"Line")
        .expect("a chunk");
    let mut other = one.clone();
    other[line + 8] = b'x';
    assert_eq!(identity(&one), identity(&other));
    let code = one
        .windows(4)
        .position(|name| name == b"code")
        .expect("a chunk");
    let mut other = one.clone();
    other[code] = b'x';
    assert_ne!(identity(&one), identity(&other));
}

#[test]
fn damaged_modules_are_refused_with_the_reason() {
    let names = || atoms(&["m", "lists", "run"]);
    let good = module(&names(), &[0; 4]);
    let without = |name: &str| {
        let mut bytes = good.clone();
        let at = bytes
            .windows(4)
            .position(|found| found == name.as_bytes())
            .expect("a chunk");
        bytes[at] = b'?';
        bytes
    };
    for (bytes, part) in [
        (b"<html>".to_vec(), "does not begin"),
        (good[..good.len() - 1].to_vec(), "cut, or longer"),
        ([good.as_slice(), b"\0"].concat(), "cut, or longer"),
        (without("Code"), "without its chunk Code"),
        (without("AtU8"), "without its chunk AtU8"),
        (module(b"\0\0\0\x02\x01", b""), "damaged chunk AtU8"),
        (module(b"\0\0\0\x01\x01\xff", b""), "damaged chunk AtU8"),
        (module(b"\xff\xff\xff\xff\x1f", b""), "damaged chunk AtU8"),
    ] {
        let error = Module::parse(&bytes).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    let few = module(&atoms(&["m"]), b"");
    let few = Module::parse(&few).expect("a module");
    assert_eq!(few.imports(), Err(BeamError::Damaged("ImpT")));
    assert_eq!(few.exports(), Err(BeamError::Damaged("ExpT")));
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let good = module(&atoms(&["m", "lists", "run"]), &[0; 28]);
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Ok(module) = Module::parse(&bytes) {
                let _ = (module.name().is_ok(), module.identity());
                let _ = (module.exports().is_ok(), module.imports().is_ok());
                let _ = module.attributes().is_ok();
            }
        }
    }
}
