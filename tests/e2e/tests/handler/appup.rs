//! Appups that were made: accepted by `systools`, and installed up and down by the release handler.

use e2e::install::{Install, extract};
use e2e::node;
use e2e::process;
use e2e::sample::{FOUR_0, FOUR_16, Sample4};
use e2e::swarm::{Figures, Options, Swarm};
use e2e::tarball::{Edit, rewrite};
use std::path::Path;
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
        "relup", "appup", "--from", &old, "--to", &new, "-o", &made_in,
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

    let relup = fs_err::read(dir.path().join("relup"))?;
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
