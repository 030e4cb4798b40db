//! Stage 9: where the hop comes from.

use super::*;

#[test]
fn stage_9_refuses_without_a_hop_and_shows_those_there_are() {
    let site = Site::new();
    let tarball = site.new_tarball();
    let said = check_refused(&site, &mut site.node(), &tarball, &[], "no_relup_entry");
    assert!(said.err.contains("no supported paths"), "{said:?}");
    site.add_hop("a.relup", &hop_text(OLD, "5.10.6"));
    let said = check_refused(&site, &mut site.node(), &tarball, &[], "no_relup_entry");
    assert!(said.err.contains("5.10.4 -> 5.10.6"), "{said:?}");
}

#[test]
fn a_malformed_hop_is_reported_and_passed_over() {
    let site = Site::new();
    site.add_hop("a.relup", "#{from_version");
    site.add_hop(
        "b.relup",
        &hop_text(OLD, NEW).replace("load_module, emqx", "load_modul, emqx"),
    );
    site.add_hop("c.relup", &hop_text(OLD, NEW));
    site.add_hop("relup", "{\"5.10.5\",[],[]}.");
    let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.err.matches("is skipped").count(), 2, "{said:?}");
}

#[test]
fn the_hop_file_that_was_asked_for_must_be_good() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let file = site.outside().join("x.relup");
    let path = file.to_string_lossy().into_owned();
    let mut node = site.node();
    for (text, name) in [
        (None, "invalid_relup_file"),
        (Some("nonsense".to_owned()), "invalid_relup_file"),
        (Some(hop_text(OLD, "5.10.6")), "no_relup_entry"),
        (
            Some(hop_text(OLD, NEW).replace("load_module", "x")),
            "invalid_instr",
        ),
        (Some("begin X = 1, X end.".to_owned()), "invalid_relup_file"),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).expect("written");
        }
        check_refused(&site, &mut node, &tarball, &["--relup", &path], name);
    }
    fs::write(&file, hop_text(OLD, NEW)).expect("written");
    assert_eq!(
        site.upgrade(&mut node, &tarball, &["--relup", &path]).code,
        0
    );
    assert_eq!(node.requests[0].hop.file, path);
}

#[test]
fn hops_are_searched_in_the_contracts_order() {
    let site = Site::new();
    let inside = format!("releases/{NEW}/in.relup");
    let tarball = site.tarball(&Release::of(NEW).with(&inside, &hop_text(OLD, NEW)));
    let plugin = site
        .install
        .plugins_dir
        .join("emqx_relup-1.0.0/emqx_relup-1.0.0");
    let places = [
        base_file(&site, NEW, "in.relup"),
        plugin.join("priv/relup/p.relup"),
        site.base().catalog().join("c.relup"),
        PathBuf::from(format!("{}.relup", tarball.display())),
    ];
    for (number, place) in places.iter().enumerate() {
        if number > 0 {
            write(place, &hop_text(OLD, NEW));
        }
        write(&plugin.join("ebin/emqx_post_upgrade.beam"), "FOR1");
        let mut node = site.node().failing("module_not_found", false, false);
        site.upgrade(&mut node, &tarball, &[]);
        let request = &node.requests[0];
        assert_eq!(Path::new(&request.hop.file), place);
        let from_plugin = place.starts_with(&plugin);
        assert_eq!(
            request.beams.len(),
            usize::from(from_plugin),
            "{}",
            place.display()
        );
    }
}

fn base_file(site: &Site, vsn: &str, name: &str) -> PathBuf {
    let vsn = vsn.parse().expect("a version");
    site.base().deployed(&vsn).release(&vsn).join(name)
}

#[test]
fn expressions_are_evaluated_by_the_node_unless_a_literal_hop_comes_first() {
    let site = Site::new();
    let tarball = site.new_tarball();
    let summary = |from: &str, to: &str| {
        Ok(HopSummary {
            from: from.into(),
            to: to.into(),
        })
    };
    site.add_hop("b.relup", "F = fun() -> right end, F().");
    site.add_hop("c.relup", "F = fun() -> broken end, F().");
    let mut node = site.node().failing("module_not_found", false, false);
    node.hops = vec![("right", summary(OLD, NEW))];
    let said = site.upgrade(&mut node, &tarball, &[]);
    assert!(node.requests[0].hop.file.ends_with("b.relup"), "{said:?}");
    assert_eq!(node.evaluated, 2);
    assert!(
        said.err.contains("c.relup is skipped: no such variable"),
        "{said:?}"
    );
    site.add_hop("a.relup", &hop_text(OLD, NEW));
    let mut node = site.node().failing("module_not_found", false, false);
    site.upgrade(&mut node, &tarball, &[]);
    assert!(node.requests[0].hop.file.ends_with("a.relup"));
    assert_eq!(node.evaluated, 0);
}
