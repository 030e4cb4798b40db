//! `emqx relup make` by itself: no node, no installation, no environment.

use crate::scene::make;
use e2e::sample::{Sample, V4, V5};
use e2e::tarball::{Edit, rewrite};
use e2e::witness::faults_of_words;
use std::path::{Path, PathBuf};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

struct Desk {
    dir: tempfile::TempDir,
    from: String,
    to: String,
}

impl Desk {
    fn new() -> e2e::Result<Desk> {
        let sample = Sample::find()?;
        Ok(Desk {
            dir: tempfile::Builder::new()
                .prefix("an author's desk ")
                .tempdir()?,
            from: text(&sample.tarball(V4)?),
            to: text(&sample.tarball(V5)?),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, more: &[&str]) -> e2e::Result<e2e::process::Finished> {
        let args = [&["--from", &self.from, "--to", &self.to], more].concat();
        make(self.dir.path(), &args)
    }

    /// A copy of the target with something else in a file.
    fn edited(&self, name: &str, edits: &[Edit]) -> e2e::Result<String> {
        let path = self.path(name);
        rewrite(Path::new(&self.to), &path, edits)?;
        Ok(text(&path))
    }
}

#[test]
fn the_same_hop_comes_from_tarballs_and_from_directories() -> e2e::Result<()> {
    let desk = Desk::new()?;
    let printed = desk.run(&[])?.success()?;
    let (from, to) = (desk.path("old tree"), desk.path("new tree"));
    e2e::install::extract(Path::new(&desk.from), &from)?;
    e2e::install::extract(Path::new(&desk.to), &to)?;
    let args = [
        "--from",
        &text(&from),
        "--to",
        &text(&to),
        "-o",
        "made here.relup",
    ];
    let said = make(desk.dir.path(), &args)?.success()?;
    assert!(
        said.stdout.contains("made here.relup: 5.10.4 -> 5.10.5"),
        "{said}"
    );
    let file = fs_err::read_to_string(desk.path("made here.relup"))?;
    let body = |hop: &str| hop.split_once("#{").map(|(_, body)| body.trim().to_owned());
    assert_eq!(body(&file), body(&printed.stdout));
    for line in [
        "{update, emqx_stats, {advanced, []}}",
        "{restart_application, emqx_dashboard}",
        "{load_module, emqx_release},",
        "        {load_module, emqx_post_upgrade}",
        "        pr_1001_register_topics_command\n",
    ] {
        assert!(file.contains(line), "{line} is not in\n{file}");
    }
    // Nothing else was written.
    let names = fs_err::read_dir(desk.dir.path())?.count();
    assert_eq!(names, 3);
    let json = desk.run(&["--json"])?.success()?;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(
        json["hop"].as_str().map(str::trim_end),
        Some(printed.stdout.trim_end())
    );
    assert_eq!(
        json["post_upgrade_callbacks"][0],
        "pr_1001_register_topics_command"
    );
    Ok(())
}

#[test]
fn rules_decide_and_slips_in_them_are_refused_with_their_line() -> e2e::Result<()> {
    let desk = Desk::new()?;
    let rules = desk.path("my rules.toml");
    let run = |content: &str| {
        fs_err::write(&rules, content)?;
        desk.run(&["--rules", "my rules.toml"])
    };
    let hop = run("[module.emqx_topic]\ninstruction = \"skip\"\n\
         [module.emqx_stats]\ninstruction = \"update\"\nextra = \"{again, 7}\"\n\
         [module.emqx_connection]\ninstruction = \"load_module\"\n\
         [application.emqx_dashboard]\ninstruction = \"load_module\"\n\
         [application.emqx_ctl]\ninstruction = \"restart_application\"\n")?
    .success()?;
    for (line, is_there) in [
        ("        {load_module, emqx_topic}", false),
        ("        {update, emqx_stats, {advanced, {again,7}}}", true),
        ("        {load_module, emqx_connection}", true),
        ("        {restart_application, emqx_dashboard}", false),
        ("        {load_module, emqx_dashboard_app}", true),
        ("        {restart_application, emqx_ctl}", true),
    ] {
        assert_eq!(hop.stdout.contains(line), is_there, "{line} in {hop}");
    }
    for (content, part) in [
        ("[modul.x]", "line 1: unknown key \"modul\""),
        (
            "\n[module.emqx_nobody]\ninstruction = \"skip\"",
            "line 3: neither release has a module \"emqx_nobody\"",
        ),
        (
            "[application.nobody]\ninstruction = \"skip\"",
            "line 2: neither release has an application",
        ),
        (
            "[application.kernel]\ninstruction = \"restart_application\"",
            "line 2: the application kernel",
        ),
        (
            "[module.emqx_topic]\ninstruction = \"update\"",
            "line 2: emqx_topic of 5.10.5 exports no code_change/3",
        ),
        (
            "[module.emqx_topic]\ninstruction = \"reload\"",
            "line 2: unknown instruction",
        ),
    ] {
        let refused = run(content)?.exit_code(1)?;
        assert_eq!(faults_of_words(&refused), Vec::<String>::new(), "{refused}");
        let start = format!("ERROR: invalid_rules: my rules.toml: {part}");
        assert!(refused.stderr.contains(&start), "{start}: {refused}");
        assert!(refused.stderr.contains("hint: "), "{refused}");
    }
    Ok(())
}

#[test]
fn what_can_be_no_hop_is_refused_in_the_contracts_words() -> e2e::Result<()> {
    let mut desk = Desk::new()?;
    let info = "releases/5.10.5/BUILD_INFO";
    let build_info = |old: &str, new: &str| Edit::Substitute(info.into(), old.into(), new.into());
    let otp = desk.edited("otp.tar.gz", &[build_info("erlang: \"", "erlang: \"9")])?;
    let os = desk.edited("os.tar.gz", &[build_info("os: \"", "os: \"other")])?;
    let damaged = Edit::Replace(
        "lib/emqx-5.10.5/ebin/emqx_topic.beam".into(),
        b"FOR1".to_vec(),
    );
    let damaged = desk.edited("damaged.tar.gz", &[damaged])?;
    let four = Edit::Substitute(
        "releases/emqx_vars".into(),
        "5.10.5".into(),
        "4.4.16".into(),
    );
    let four = [
        four,
        Edit::Rename("releases/5.10.5".into(), "releases/4.4.16".into()),
        Edit::Substitute(
            "releases/4.4.16/emqx.rel".into(),
            "{\"emqx\",\"5.10.5\"}".into(),
            "{\"emqx\",\"4.4.16\"}".into(),
        ),
    ];
    let four = desk.edited("four.tar.gz", &four)?;
    let cut = desk.path("cut.tar.gz");
    let whole = fs_err::read(&desk.to)?;
    fs_err::write(&cut, &whole[..whole.len() / 2])?;
    let (from, to) = (desk.from.clone(), desk.to.clone());
    let here = text(desk.dir.path());
    for (target, name, part) in [
        (
            &from,
            "already_upgraded_to_target_vsn",
            "both releases are 5.10.4",
        ),
        (&otp, "otp_major_vsn_mismatch", "was built on OTP"),
        (&os, "os_arch_mismatch", "was built for"),
        (
            &damaged,
            "unusable_release",
            "lib/emqx-5.10.5/ebin/emqx_topic.beam: ",
        ),
        (&text(&cut), "archive_corrupt", ""),
        (
            &text(&desk.path("nothing")),
            "target_tarball_not_found",
            "nothing: no such file",
        ),
        (&four, "managed_by_release_handler", "4.4.16 is upgraded by"),
        (
            &here,
            "cannot_read_emqx_vars",
            "releases/emqx_vars: no such file",
        ),
    ] {
        desk.to.clone_from(target);
        let refused = desk.run(&["-o", "never.relup"])?.exit_code(1)?;
        assert_eq!(faults_of_words(&refused), Vec::<String>::new(), "{refused}");
        let start = format!("ERROR: {name}: ");
        assert!(
            refused.stderr.contains(&start) && refused.stderr.contains(part),
            "{name}: {refused}"
        );
        assert!(refused.stdout.is_empty(), "{refused}");
    }
    assert!(!desk.path("never.relup").exists());
    desk.to = to;
    // What is no file is written to, and never replaced.
    let told = desk.run(&["-o", "/dev/null"])?.success()?;
    assert!(
        told.stdout.contains("/dev/null: 5.10.4 -> 5.10.5"),
        "{told}"
    );
    assert!(!Path::new("/dev/null").is_file());
    desk.run(&["-o", "."])?.exit_code(1)?;
    desk.run(&["--output"])?.exit_code(2)?;
    desk.run(&["-o", "no such directory/hop"])?.exit_code(1)?;
    Ok(())
}
