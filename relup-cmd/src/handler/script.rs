//! `releases/<vsn>/relup`, the instructions that OTP's release handler carries out, as far as they have
//! to be known before it does.

use relup::layout::Tree;
use relup::term::{Term, parse_terms};
use relup::vsn::ReleaseVsn;

use crate::regular;

/// Longest file that is read.
const MAX: u64 = 16 * 1024 * 1024;

/// Whether going from `from` to `to` exchanges the emulator: OTP then ends the VM and leaves it to
/// `heart` to start it again. What can't be read is judged by the release handler.
///
/// The instructions stand with the newer one of the two.
pub(crate) fn ends_vm(root: &Tree, from: &str, to: &ReleaseVsn) -> bool {
    let up = read(root, to).is_some_and(|relup| relup.ends_vm(1, from));
    let older = from.parse().ok().and_then(|from| read(root, &from));
    up || older.is_some_and(|relup| relup.ends_vm(2, to.as_str()))
}

/// `{Vsn, UpFrom, DownTo}`, both lists of `{Vsn, Description, Instructions}`.
struct Relup(Vec<Term>);

fn read(root: &Tree, vsn: &ReleaseVsn) -> Option<Relup> {
    let text = regular::read_text(&root.relup(vsn), MAX).ok()?;
    match parse_terms(&text).ok()?.pop()? {
        Term::Tuple(parts) if parts.len() == 3 => Some(Relup(parts)),
        _ => None,
    }
}

impl Relup {
    /// Whether the script for `vsn` in the list at `place` has an instruction that ends the VM.
    fn ends_vm(&self, place: usize, vsn: &str) -> bool {
        let Some(Term::List(scripts)) = self.0.get(place) else {
            return false;
        };
        scripts.iter().any(|script| match script {
            Term::Tuple(parts) => match parts.as_slice() {
                [name, _, Term::List(instructions)] => {
                    name.to_text().as_deref() == Some(vsn)
                        && instructions.iter().any(|instruction| {
                            matches!(
                                instruction.as_atom(),
                                Some("restart_new_emulator" | "restart_emulator")
                            )
                        })
                }
                _ => false,
            },
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::testing::scratch;

    #[test]
    fn an_exchange_of_the_emulator_is_found_in_both_directions() {
        let dir = scratch();
        let root = Tree::new(dir.path().to_owned()).expect("absolute");
        let to: ReleaseVsn = "4.4.16".parse().expect("a version");
        fs::create_dir_all(root.release(&to)).expect("made");
        fs::write(
            root.relup(&to),
            r#"{"4.4.16",
                [{"4.4.0",[],[restart_new_emulator,point_of_no_return]},
                 {"4.4.1",[],[{load_object_code,{a,"1",[a]}},point_of_no_return]}],
                [{"4.4.0",[],[point_of_no_return,restart_emulator]},{"4.4.1",[],[]}]}."#,
        )
        .expect("written");
        let check = |from: &str, to: &str, expected| {
            let target = to.parse().expect("a version");
            assert_eq!(ends_vm(&root, from, &target), expected, "{from} to {to}");
        };
        check("4.4.0", "4.4.16", true);
        check("4.4.1", "4.4.16", false);
        check("4.4.16", "4.4.0", true);
        check("4.4.16", "4.4.1", false);
        check("4.4.3", "4.4.4", false);
        fs::write(root.relup(&to), "{").expect("written");
        check("4.4.0", "4.4.16", false);
    }
}
