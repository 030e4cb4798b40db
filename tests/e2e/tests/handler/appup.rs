//! Appups that were made: accepted by `systools`, and installed up and down by the release handler.

use e2e::install::{Install, extract};
use e2e::node;
use e2e::process;
use e2e::sample::{FOUR_0, FOUR_16, FOUR_17, Sample4};
use e2e::swarm::{Figures, Options, Swarm};
use e2e::tarball::{Edit, rewrite};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the relup between two unpacked releases; a warning is as bad as an error.
const SYSTOOLS: &str = r#"
    [Trees, From, To] = init:get_plain_arguments(),
    Rel = fun(V) -> filename:join([Trees, V, "releases", V, "emqx"]) end,
    Path = [filename:join([Trees, V, "lib", "*", "ebin"]) || V <- [To, From]],
    {ok, Relup, _, []} =
        systools:make_relup(Rel(To), [Rel(From)], [Rel(From)], [{path, Path}, noexec, silent]),
    ok = file:write_file(filename:join(Trees, "relup"), io_lib:format("~p.~n", [Relup])),
    halt()."#;

/// Puts the made appups in the places of those that the release came with.
fn put_appups(tree: &Path, made: &Path) -> e2e::Result<usize> {
    let mut count = 0;
    for lib in fs_err::read_dir(tree.join("lib"))? {
        let ebin = lib?.path().join("ebin");
        let files = fs_err::read_dir(&ebin).into_iter().flatten().flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        // What the release came with goes first.
        paths.sort_by_key(|path| path.extension().is_some_and(|found| found == "app"));
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("appup") => fs_err::remove_file(path)?,
                Some("app") => {
                    let name = path.with_extension("appup");
                    let own = made.join(name.file_name().unwrap_or_default());
                    if own.is_file() {
                        fs_err::copy(own, name)?;
                        count += 1;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(count)
}

#[test]
fn made_appups_are_accepted_by_systools_and_lead_up_and_down() -> e2e::Result<()> {
    let sample = Sample4::find()?;
    let dir = tempfile::tempdir()?;
    let (from, to) = (sample.tarball(FOUR_0)?, sample.tarball(FOUR_16)?);
    for (vsn, tarball) in [(FOUR_0, &from), (FOUR_16, &to)] {
        extract(tarball, &dir.path().join(vsn))?;
    }
    let made = dir.path().join("appups");
    fs_err::create_dir(&made)?;
    let (old, new) = (from.to_string_lossy(), to.to_string_lossy());
    let install = Install::four(FOUR_0)?;
    let made_in = made.to_string_lossy();
    let words = [
        "relup",
        "appup",
        "--from",
        &old,
        "--to",
        &new,
        "--ignore-own",
        "-o",
        &made_in,
    ];
    let said = install.emqx(&words)?.success()?;
    println!("{said}");
    let put = put_appups(&dir.path().join(FOUR_16), &made)?;
    assert_eq!(put, said.stdout.lines().count(), "{said}");
    assert!(put >= 3, "{said}");
    let mut erl = Command::new("erl");
    erl.args([
        "-noshell",
        "-boot",
        "no_dot_erlang",
        "-eval",
        SYSTOOLS,
        "-extra",
    ]);
    erl.arg(dir.path()).args([FOUR_0, FOUR_16]);
    process::run(&mut erl, process::HANG)?.success()?;

    let relup = fs_err::read_to_string(dir.path().join("relup"))?;
    let told = install.emqx(&[
        "relup",
        "relup",
        "--to",
        &dir.path().join(FOUR_16).to_string_lossy(),
        "--from",
        &dir.path().join(FOUR_0).to_string_lossy(),
        "--json",
    ])?;
    let told = answer(&told.success()?)?;
    assert_eq!(told["warnings"], json!([]), "{told}");
    assert_eq!(told["made_appups"], json!([]), "{told}");
    let text = told["relup"].as_str().unwrap_or_default();
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let (_, own) = text.split_once('\n').unwrap_or_default();
    assert_eq!(bare(own), bare(&relup), "as its own systools makes it");
    let relup = text.as_bytes().to_vec();
    let package = install.path(format!("releases/emqx-{FOUR_16}.tar.gz"));
    let place = format!("releases/{FOUR_16}/relup");
    rewrite(&to, &package, &[Edit::Replace(place.into(), relup)])?;
    install.start()?;
    let pid = node::os_pid(&install)?;
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    for (command, vsn) in [
        ("upgrade", FOUR_16),
        ("downgrade", FOUR_0),
        ("upgrade", FOUR_16),
    ] {
        install.emqx(&[command, vsn])?.success()?;
        assert_eq!(node::version(&install)?, vsn);
        let differing = r"[M || {M, File} <- code:all_loaded(), is_list(File), File =/= [],
            {ok, Beam} <- [file:read_file(File)],
            erlang:get_module_info(M, md5) =/= code:module_md5(Beam)]";
        assert_eq!(node::eval(&install, differing)?, "[]", "{command} {vsn}");
    }
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");
    assert_eq!(node::os_pid(&install)?, pid);
    install.stop()?;
    Ok(())
}

/// The JSON object that was printed.
fn answer(finished: &process::Finished) -> e2e::Result<Value> {
    serde_json::from_str(&finished.stdout)
        .map_err(|error| e2e::Error::Io(std::io::Error::other(format!("{error}: {finished}"))))
}

/// A directory that two releases were built into, one after the other.
fn built_twice() -> e2e::Result<(tempfile::TempDir, PathBuf)> {
    let sample = Sample4::find()?;
    let dir = tempfile::tempdir()?;
    let tree = dir.path().join("built here");
    for vsn in [FOUR_0, FOUR_16] {
        extract(&sample.tarball(vsn)?, &tree)?;
    }
    Ok((dir, tree))
}

fn relup(install: &Install, tree: &Path, more: &[&str]) -> e2e::Result<process::Finished> {
    let tree = tree.to_string_lossy();
    let words = ["relup", "relup", "--to", &tree];
    install.emqx(&[&words, more].concat())
}

#[test]
fn the_release_before_is_found_where_it_was_built_or_lies() -> e2e::Result<()> {
    let (_dir, tree) = built_twice()?;
    let sample = Sample4::find()?;
    let install = Install::four(FOUR_0)?;
    let beside = relup(&install, &sample.tarball(FOUR_16)?, &["--upfrom", FOUR_0])?.success()?;
    assert!(
        beside.stdout.contains("{\"4.4.16\",\n [{\"4.4.0\","),
        "{beside}"
    );
    for more in [&["--upfrom", FOUR_0][..], &["--upgrade"], &[]] {
        let within = relup(&install, &tree, more)?.success()?;
        assert_eq!(within.stdout, beside.stdout, "{more:?}");
    }
    let missing = relup(&install, &tree, &["--upfrom", "4.4.9"])?;
    assert_eq!(missing.code, Some(1), "{missing}");
    assert!(
        missing
            .stderr
            .contains("no_older_release: 4.4.9 is neither in"),
        "{missing}"
    );
    extract(&sample.tarball(FOUR_17)?, &tree)?;
    let several = relup(&install, &tree, &["--upgrade"])?;
    assert!(
        several
            .stderr
            .contains("several other releases: 4.4.0, 4.4.16"),
        "{several}"
    );
    Ok(())
}

#[test]
fn own_appups_count_for_the_versions_that_their_patterns_match() -> e2e::Result<()> {
    let (dir, tree) = built_twice()?;
    let install = Install::four(FOUR_0)?;
    let from = Sample4::find()?.tarball(FOUR_0)?;
    let appup = tree.join("lib/emqx_management-4.4.9/ebin/emqx_management.appup");
    let appups = |text: &str| -> e2e::Result<process::Finished> {
        fs_err::write(&appup, text)?;
        let (tree, from) = (tree.to_string_lossy(), from.to_string_lossy());
        install.emqx(&["relup", "appup", "--from", &from, "--to", &tree, "--json"])
    };
    let loads = "[{load_module, emqx_mgmt_app}]";
    let pattern = r#"<<"4\\.4(\\.[0-8])*">>"#;

    let both = format!(r#"{{"4.4.9", [{{{pattern}, {loads}}}], [{{{pattern}, {loads}}}]}}."#);
    let said = answer(&appups(&both)?.success()?)?;
    assert_eq!(said["appups"], json!({}), "{said}");
    assert!(
        said["own"].to_string().contains("emqx_management"),
        "{said}"
    );
    let told = relup(&install, &tree, &["--upfrom", FOUR_0])?.success()?;
    assert!(
        told.stdout
            .contains("{emqx_management,\"4.4.9\",[emqx_mgmt_app]}"),
        "{told}"
    );

    // It must match the whole version, as for systools; what is there stays behind what is made.
    let up_only = format!(r#"{{"4.4.9", [{{{pattern}, {loads}}}], [{{<<"4\\.4">>, {loads}}}]}}."#);
    let said = answer(&appups(&up_only)?.success()?)?;
    let text = said["appups"]["emqx_management"]
        .as_str()
        .unwrap_or_default();
    for part in [
        &format!("    [{{{pattern},[{{load_module,emqx_mgmt_app}}]}}],\n"),
        "    [{\"4.4.0\", [\n",
        "     {<<\"4\\\\.4\">>,[{load_module,emqx_mgmt_app}]}]\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let told = relup(&install, &tree, &["--upfrom", FOUR_0, "--json"])?.success()?;
    let told = answer(&told)?;
    assert_eq!(told["made_appups"], json!(["emqx_management"]), "{told}");

    // A directory of appups comes before them, and is what an error names.
    let named = dir.path().join("my appups");
    fs_err::create_dir(&named)?;
    let file = named.join("emqx_management.appup");
    fs_err::write(&file, "{\"4.4.9\", [], []}.")?;
    let refused = relup(&install, &tree, &["--appups", &named.to_string_lossy()])?;
    assert_eq!(refused.code, Some(1), "{refused}");
    let reason = format!("to emqx_management-4.4.0 in file {}", file.display());
    assert!(refused.stderr.contains(&reason), "{refused}");
    fs_err::write(&file, both)?;
    let told = relup(
        &install,
        &tree,
        &["--appups", &named.to_string_lossy(), "--json"],
    )?;
    let told = answer(&told.success()?)?;
    assert_eq!(told["made_appups"], json!([]), "{told}");

    // One that is none leads nowhere, and the one that is made comes before it.
    for (text, reason) in [
        (
            r#"{"4.4.9", [{<<"(">>, []}], []}."#,
            "is no regular expression",
        ),
        (
            r#"{"4.4.1", [{"4.4.0", []}], []}."#,
            "it is of version 4.4.1",
        ),
        (r#"{"%VSN%", [], []}."#, "it is of version %VSN%"),
        ("", "nothing is not"),
    ] {
        let said = answer(&appups(text)?.success()?)?;
        assert!(said["warnings"].to_string().contains(reason), "{said}");
        assert!(said["appups"]["emqx_management"].is_string(), "{said}");
        let told = answer(&relup(&install, &tree, &["--upfrom", FOUR_0, "--json"])?.success()?)?;
        assert_eq!(told["made_appups"], json!(["emqx_management"]), "{told}");
    }
    Ok(())
}
