//! The quick form of `make load`: hops there and back below clients that never stop talking.

use e2e::load::{Load, run};
use std::time::Duration;

#[test]
fn hops_there_and_back_drop_no_client_and_lose_no_message() -> e2e::Result<()> {
    let load = Load {
        clients: 150,
        interval: Duration::from_millis(300),
        hops: 4,
    };
    let outcome = run(&load, &mut |text| println!("{text}"))?;
    assert!(outcome.unharmed(), "{outcome:#?}");
    assert!(outcome.hops.published > 0, "{outcome:#?}");
    assert_eq!(outcome.connected, "150");
    println!("{}\n{}", outcome.at_rest, outcome.hops);
    Ok(())
}
