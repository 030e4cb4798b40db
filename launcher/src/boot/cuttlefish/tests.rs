//! What is printed and made, and what the launcher makes of it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

#[test]
fn the_last_line_tells_both_files_and_nothing_else_is_believed() {
    let dir = Path::new("/tmp/a b");
    let check = |stdout: &str, expected: bool| {
        let files = Files::told(stdout.as_bytes(), dir);
        let right = Files {
            app_config: "/tmp/a b/app.1.config".into(),
            vm_args: "/tmp/a b/vm.1.args".into(),
        };
        assert_eq!(files, expected.then_some(right), "{stdout}");
    };
    let (app, vm) = ("/tmp/a b/app.1.config", "/tmp/a b/vm.1.args");
    let line = |app: &str, vm: &str, again: &str| {
        format!(" -config {app} -args_file {vm} -vm_args {again} \n")
    };
    check(&line(app, vm, vm), true);
    check(
        &format!("node.name = \"a@h\"\n{}\n", line(app, vm, vm)),
        true,
    );
    check(&format!("{}one more\n", line(app, vm, vm)), false);
    check(&line(app, vm, "/tmp/a b/vm.2.args"), false);
    check(&line("/etc/app.1.config", vm, vm), false);
    check(
        &line(app, "/tmp/a b/../vm.1.args", "/tmp/a b/../vm.1.args"),
        false,
    );
    check(&line(app, vm, vm).replace("-args_file", "-args"), false);
    check("", false);
}

#[test]
fn its_words_are_told_once_without_times_and_phases() {
    let check = |stderr: &str, stdout: &str, expected: &[&str]| {
        let output = Output {
            status: ExitStatus::from_raw(256),
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        };
        assert_eq!(words_of(&output), expected, "{stderr}{stdout}");
    };
    check(
        "2026-11-21T19:03:41.204603+00:00 [error] node.max_ports invalid, must be 1024 or more\n\
         2026-11-21T19:03:41.205883+00:00 [error] Error generating configuration in phase validation\n\
         2026-11-21T19:03:41.206008+00:00 [error] node.max_ports invalid, must be 1024 or more\n",
        "",
        &["node.max_ports invalid, must be 1024 or more"],
    );
    check(
        "",
        "escript: exception error: x\n  in call y\n",
        &["escript: exception error: x", "in call y"],
    );
    let long = "é".repeat(200);
    let shown = format!("{}...", "é".repeat(160));
    check(&format!("x [error] {long}\n"), "", &[&shown]);
    check("", "", &["it ended with exit status: 1 and said nothing"]);
}

#[test]
fn what_was_made_tells_how_to_boot() {
    let made = |vm_args: &str, app_config: &str| Made {
        env: Environment::default(),
        app_config: app_config.as_bytes().to_vec(),
        vm_args: vm_args.to_owned(),
    };
    let config = "[{emqx,[{x,#{a => 1}}]},\n {ekka,[{cluster_name,c},{proto_dist,inet6_tcp}]}].\n";
    let made = made(
        "+P 7\n-name a@h\n-setcookie it's\n-kernel net_ticktime 60",
        config,
    );
    let configs = BootConfigs::parse(&values(&made));
    let check = |key: &str, expected: Option<&str>| assert_eq!(configs.get(key), expected, "{key}");
    check("node.name", Some("a@h"));
    check("node.dist_net_ticktime", Some("60"));
    check("cluster.proto_dist", Some("inet6_tcp"));
    check("node.cookie", Some("it's"));
}

#[test]
fn only_variables_that_may_override_the_configuration_call_for_another_run() {
    let check = |prefix: Option<&str>, name: &str, expected: bool| {
        let mut before = Environment::default();
        if let Some(prefix) = prefix {
            before.set("CUTTLEFISH_ENV_OVERRIDE_PREFIX", prefix);
        }
        let mut now = before.clone();
        assert!(!differs(&before, &now));
        now.set(name, "x");
        assert_eq!(differs(&before, &now), expected, "{name}");
        assert_eq!(differs(&now, &before), expected, "{name} is gone");
    };
    check(None, "EMQX_LOG__TO", true);
    check(None, "ESCRIPT_NAME", false);
    check(Some("DEV_"), "EMQX_LOG__TO", false);
    check(Some("DEV_"), "DEV_LOG__TO", true);
}

#[test]
fn name_and_cookie_are_known_by_every_prefix() {
    let mut env = Environment::default();
    env.set("CUTTLEFISH_ENV_OVERRIDE_PREFIX", "DEV_");
    let own = |setting: &str| format!("DEV_{setting}");
    env.set("EMQX_NODE__NAME", "a@h");
    env.set("EMQX_NODE__COOKIE", "c");
    env.set(&own("NODE__COOKIE"), "d");
    adopt_prefix(&mut env);
    assert_eq!(env.get(&own("NODE__NAME")), Some("a@h"));
    assert_eq!(env.get(&own("NODE__COOKIE")), Some("d"));
}
