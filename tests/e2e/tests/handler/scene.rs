//! What the tests share: an installation with packages in `releases/`, and sessions that are compared
//! line by line.

use std::ops::Deref;

use e2e::install::Install;
use e2e::process::Finished;
use e2e::sample::{FOUR_0, Sample4};
use serde_json::Value;

/// A running 4.4.0.
pub struct Scene {
    install: Install,
    sample: Sample4,
}

impl Deref for Scene {
    type Target = Install;

    fn deref(&self) -> &Install {
        &self.install
    }
}

impl Scene {
    pub fn running() -> e2e::Result<Scene> {
        let scene = Scene {
            install: Install::four(FOUR_0)?,
            sample: Sample4::find()?,
        };
        scene.install.start()?;
        Ok(scene)
    }

    /// Puts the zip package of a version where the documents say, as they say it.
    pub fn add_zip(&self, vsn: &str) -> e2e::Result<()> {
        let script = "cp \"$ZIP\" \"$(\"$EMQX\" root_dir)/releases/\"";
        let mut copy = self.install.command("sh");
        copy.args(["-c", script])
            .env("ZIP", self.sample.zip(vsn)?)
            .env("EMQX", self.install.path("bin/emqx"));
        e2e::process::run(&mut copy, e2e::process::HANG)?.success()?;
        Ok(())
    }

    /// Puts the tarball of a version to a place below `releases/`.
    pub fn add_tarball(&self, vsn: &str, name: &str) -> e2e::Result<()> {
        let to = self.install.path("releases").join(name);
        if let Some(dir) = to.parent() {
            fs_err::create_dir_all(dir)?;
        }
        fs_err::copy(self.sample.tarball(vsn)?, to)?;
        Ok(())
    }

    pub fn sample(&self) -> &Sample4 {
        &self.sample
    }

    /// Runs a command line and demands exactly these lines.
    pub fn session(&self, line: &str, expected: &[&str]) -> e2e::Result<()> {
        let words: Vec<_> = line.split(' ').collect();
        let finished = self.install.emqx(&words)?.success()?;
        let lines: Vec<_> = finished.stdout.lines().collect();
        assert_eq!(lines, expected, "emqx {line}: {finished}");
        assert_eq!(finished.stderr, "", "emqx {line}");
        Ok(())
    }

    /// Demands the table of `versions`.
    pub fn versions(&self, rows: &[&str]) -> e2e::Result<()> {
        let rows: Vec<_> = rows.iter().map(|row| format!("* {row}")).collect();
        let mut expected = vec!["Installed versions:"];
        expected.extend(rows.iter().map(String::as_str));
        self.session("versions", &expected)
    }

    /// Runs a command that is refused: its exit code, its error's name, and the node as before.
    pub fn refused(&self, words: &[&str], code: i32, name: &str) -> e2e::Result<Finished> {
        let before = self.install.emqx(&["versions"])?.success()?.stdout;
        let finished = self.install.emqx(words)?.exit_code(code)?;
        let errors = finished.stderr.lines();
        let told = format!("ERROR: {name}: ");
        assert!(
            errors.clone().any(|line| line.starts_with(&told)),
            "{told}{finished}"
        );
        assert!(finished.stderr.contains("\nhint: "), "{finished}");
        let with_json: Vec<_> = words.iter().copied().chain(["--json"]).collect();
        let json = self.install.emqx(&with_json)?.exit_code(code)?;
        let json: Value =
            serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(json["error"]["name"], name, "{json}");
        let after = self.install.emqx(&["versions"])?.success()?.stdout;
        assert_eq!(before, after, "{finished}");
        Ok(finished)
    }
}
