//! Puts the version of the launcher into the program as an ELF note, so that an older launcher can
//! tell it without running it. A section of one's own needs `unsafe` in Rust; an object file that
//! holds nothing else is linked in instead.

use std::env::var;
use std::path::PathBuf;

use object::elf::{self, SHF_ALLOC, SHT_NOTE, SHT_PROGBITS};
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionFlags, SectionKind};

#[path = "../src/handover/note.rs"]
mod format;

/// Writes the object file and has it linked into the program `emqx`.
pub fn link() {
    let arch = match var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => Architecture::X86_64,
        Ok("aarch64") => Architecture::Aarch64,
        // Only what hands over suffers: such a program is taken for no launcher.
        Ok(_) | Err(_) => return,
    };
    let mut object = Object::new(BinaryFormat::Elf, arch, Endianness::Little);
    let version = var("CARGO_PKG_VERSION").expect("cargo gives it");
    let flags = SectionFlags::Elf {
        sh_type: SHT_NOTE,
        sh_flags: SHF_ALLOC,
    };
    section(&mut object, ".note.emqx-launcher", flags, &note(&version));
    // Without this one the linker would take it that the stack has to be executable.
    let flags = SectionFlags::Elf {
        sh_type: SHT_PROGBITS,
        sh_flags: elf::SectionFlags(0),
    };
    section(&mut object, ".note.GNU-stack", flags, &[]);
    let out = var("OUT_DIR").expect("cargo gives it");
    let path = PathBuf::from(out).join("note.o");
    let bytes = object.write().expect("two sections can be written");
    #[expect(clippy::disallowed_methods, reason = "a build script has no fs-err")]
    std::fs::write(&path, bytes).expect("the build's own directory can be written to");
    println!("cargo::rustc-link-arg-bins={}", path.display());
}

fn section(object: &mut Object<'_>, name: &str, flags: SectionFlags, data: &[u8]) {
    let id = object.add_section(Vec::new(), name.into(), SectionKind::Note);
    object.section_mut(id).flags = flags;
    object.append_section_data(id, data, 4);
}

/// Three lengths and kinds of 32 bits, then the owner and the text, each padded to four bytes.
fn note(version: &str) -> Vec<u8> {
    let owner = format!("{}\0", format::OWNER);
    let length = |text: &str| u32::try_from(text.len()).expect("short").to_le_bytes();
    let mut note = Vec::new();
    note.extend(length(&owner));
    note.extend(length(version));
    note.extend(format::VERSION_NOTE.to_le_bytes());
    for text in [owner.as_str(), version] {
        note.extend(text.as_bytes());
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}
