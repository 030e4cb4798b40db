//! The reader of compiled modules against Erlang's own, over every module of the installed OTP.

use relup::beam::Module;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn beams(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            beams(&path, found);
        } else if path.extension().is_some_and(|found| found == "beam") {
            found.push(path);
        }
    }
}

/// What `beam_lib` and the VM say, one line a module.
const ASK: &str = r#"
    Text = fun(F, A) -> io_lib:format("~ts/~b ", [F, A]) end,
    Ask = fun(File) ->
        {ok, Beam} = file:read_file(File),
        {ok, {M, Md5}} = beam_lib:md5(Beam),
        Md5 = code:module_md5(Beam),
        {ok, {M, [{exports, E}, {imports, I}, {attributes, A}]}} =
            beam_lib:chunks(Beam, [exports, imports, attributes]),
        Behaviours = lists:append([V || {K, V} <- A, K =:= behaviour orelse K =:= behavior]),
        io:format("~ts ~ts | ~ts| ~ts| ~0p~n", [
            M, binary:encode_hex(Md5),
            [Text(F, N) || {F, N} <- lists:sort(E)],
            [[atom_to_list(C), ":", Text(F, N)] || {C, F, N} <- lists:sort(I)],
            lists:sort(Behaviours)])
    end,
    ok = io:setopts([{encoding, unicode}]),
    {ok, List} = file:read_file(os:getenv("BEAMS")),
    lists:foreach(Ask, string:lexemes(unicode:characters_to_list(List), "\n")),
    halt()."#;

fn told(path: &Path) -> String {
    let bytes = fs_err::read(path).expect("a file");
    let module = Module::parse(&bytes).expect("a module");
    let mut line = format!("{} ", module.name().expect("a name"));
    for byte in module.identity() {
        write!(line, "{byte:02X}").expect("text");
    }
    line += " | ";
    let mut exports = module.exports().expect("exports");
    exports.sort_unstable();
    for function in exports {
        write!(line, "{}/{} ", function.name, function.arity).expect("text");
    }
    line += "| ";
    let mut imports = module.imports().expect("imports");
    imports.sort_unstable();
    for call in imports {
        write!(line, "{}:{}/{} ", call.module, call.name, call.arity).expect("text");
    }
    let attributes = module.attributes().expect("attributes").into_iter();
    let mut behaviours: Vec<_> = attributes
        .filter(|(key, _)| key == "behaviour" || key == "behavior")
        .flat_map(|(_, values)| values)
        .map(|value| value.to_string())
        .collect();
    behaviours.sort();
    write!(line, "| [{}]", behaviours.join(",")).expect("text");
    line
}

#[test]
fn every_module_of_otp_is_read_as_beam_lib_reads_it() {
    let mut files = Vec::new();
    beams(Path::new("/usr/lib/erlang/lib"), &mut files);
    files.sort();
    assert!(files.len() > 500, "{} modules", files.len());
    let list = tempfile::NamedTempFile::new().expect("a file");
    let names: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    fs_err::write(list.path(), names.join("\n")).expect("written");
    let output = Command::new("erl")
        .args(["-noshell", "-boot", "no_dot_erlang", "-eval", ASK])
        .env("BEAMS", list.path())
        .output()
        .expect("erl");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut expected = text.lines();
    for file in &files {
        let line = expected.next().unwrap_or("nothing");
        assert_eq!(told(file), line, "{}", file.display());
    }
    assert!(output.status.success());
}
