//! What `relup status --cluster` tells of real nodes that are connected to each other.

use e2e::install::Install;
use e2e::patch::{FACE_OF_A_CLUSTER, replace_module};
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::witness::relup_json;

fn connect(from: &Install, to: &Install) -> e2e::Result<()> {
    let expression = format!("net_kernel:connect_node('{}')", to.node_name());
    from.emqx(&["eval", &expression])?.success()?.says("true")?;
    Ok(())
}

#[test]
fn every_node_of_a_cluster_tells_what_it_runs_and_boots_next() -> e2e::Result<()> {
    let (one, two) = (Install::sample(V4)?, Install::sample(V4)?);
    let lines = |install: &Install| -> e2e::Result<Vec<String>> {
        let shown = install.emqx(&["relup", "status", "--cluster"])?.success()?;
        Ok(shown.stdout.lines().map(str::to_owned).collect())
    };
    one.emqx(&["relup", "status", "--cluster"])?
        .exit_code(1)?
        .says("node_not_running")?;
    replace_module(&one, FACE_OF_A_CLUSTER)?;
    one.start()?;
    two.start()?;
    connect(&one, &two)?;

    let tarball = Sample::find()?.tarball(V5)?;
    two.emqx(&["relup".as_ref(), "upgrade".as_ref(), tarball.as_os_str()])?
        .success()?;
    let shown = lines(&one)?;
    let of = |name: &str| {
        let mut lines = shown.iter().filter(|line| line.starts_with(name));
        lines.next().cloned().unwrap_or_default()
    };
    assert_eq!(shown.len(), 4, "{shown:?}");
    let (first, second) = (of(&one.node_name()), of(&two.node_name()));
    assert!(first.contains(V4) && first.contains("absent"), "{shown:?}");
    assert!(first.ends_with("the tree that runs"), "{shown:?}");
    let pending = format!("pending on restart to boot {V5}");
    assert!(second.ends_with(&pending), "{shown:?}");
    assert!(of("gone@127.0.0.1").contains("stopped"), "{shown:?}");

    // The other node tells the same of both, and knows no stopped one.
    assert_eq!(lines(&two)?.len(), 3);
    two.emqx(&["restart"])?.success()?;
    process::wait_until("the nodes to find each other again", process::HANG, || {
        Ok(connect(&one, &two).is_ok())
    })?;
    let (_, json) = relup_json(&one, &["status", "--cluster"])?;
    let nodes = json["nodes"].as_array().cloned().unwrap_or_default();
    let booted = nodes.iter().find(|node| node["name"] == two.node_name());
    let booted = booted.unwrap_or_else(|| panic!("{json}"));
    assert_eq!(booted["running_version"], V5, "{json}");
    assert_eq!(booted["marker"], V5, "{json}");
    assert_eq!(booted["pending"], false, "{json}");
    let tree = two.path("relup").join(V5);
    assert_eq!(
        booted["booted_tree"],
        tree.to_string_lossy().as_ref(),
        "{json}"
    );

    // A node that hangs is told, and holds nobody up for ever.
    let vm = two.vms().pop().expect("it runs");
    let stopped = nix::unistd::Pid::from_raw(i32::try_from(vm.pid).expect("a pid"));
    nix::sys::signal::kill(stopped, nix::sys::signal::Signal::SIGSTOP)
        .map_err(std::io::Error::from)?;
    let shown = one.emqx(&["relup", "status", "--cluster"])?;
    nix::sys::signal::kill(stopped, nix::sys::signal::Signal::SIGCONT)
        .map_err(std::io::Error::from)?;
    shown.success()?.says("it does not answer: timeout")?;
    one.stop()?;
    two.stop()?;
    Ok(())
}
