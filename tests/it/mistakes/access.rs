//! How rcl logs in.

use super::said_of;

#[test]
fn users_and_passwords() {
    let text = r#"access: {username: r c l, password: hunter2}
hosts:
  host1: {address: 10.0.0.8, access: {password: [hunter2]}}
  host2: {address: 10.0.0.9, access: {password: {env: A-B}, user: rcl}}
  host3: {address: 10.0.0.10, access: {password: {env: A, file: b}}}
  host4: {address: 10.0.0.11, access: rcl}
"#;
    insta::assert_snapshot!(said_of(text), @"
    error: `r c l` can't be the name of a user
     --> rcl.yaml:2:20
      |
    2 | access: {username: r c l, password: *******}
      |                    ^^^^^
      |
      = help: write it without spaces

    error: the secret `password` must not stand in the file
     --> rcl.yaml:2:37
      |
    2 | access: {username: r c l, password: *******}
      |                                     ^^^^^^^
      |
      = help: write password: {env: NAME}, password: {file: PATH}, or password: prompt

    error: the secret `password` must not stand in the file
     --> rcl.yaml:4:49
      |
    4 |   host1: {address: 10.0.0.8, access: {password: [*******]}}
      |                                                 ^^^^^^^^^
      |
      = help: write password: {env: NAME}, password: {file: PATH}, or password: prompt

    error: this can't be the name of an environment variable
     --> rcl.yaml:5:55
      |
    5 |   host2: {address: 10.0.0.9, access: {password: {env: A-B}, user: rcl}}
      |                                                       ^^^
      |
      = help: write letters, digits and _ only, such as {env: RCL_MASTERAUTH}

    error: `user` is not a key of `access`
     --> rcl.yaml:5:61
      |
    5 |   host2: {address: 10.0.0.9, access: {password: {env: A-B}, user: rcl}}
      |                                                             ^^^^
      |
      = help: write `username`

    error: the secret `password` has two sources
     --> rcl.yaml:6:50
      |
    6 |   host3: {address: 10.0.0.10, access: {password: {env: A, file: b}}}
      |                                                  ^^^^^^^^^^^^^^^^^
      |
      = help: write {env: NAME} or {file: PATH}, not both

    error: `access` can't be a single value
     --> rcl.yaml:7:39
      |
    7 |   host4: {address: 10.0.0.11, access: rcl}
      |                                       ^^^
      |
      = help: write access: {username: rcl, password: {env: RCL_PASSWORD}}
    ");
}

#[test]
fn tls() {
    let text = r#"access: {tls: {cert: rcl.pem}}
hosts:
  host1: {address: 10.0.0.8, access: {tls: {ca: ca.pem, server_name: "a b"}}}
  host2: {address: 10.0.0.9, access: {tls: {ca: "", key: rcl.key}}}
  host3: {address: 10.0.0.10, access: {tls: yes, password: prompt}}
"#;
    insta::assert_snapshot!(said_of(text), @r#"
    error: `tls` has a `cert` and no `key`
     --> rcl.yaml:2:10
      |
    2 | access: {tls: {cert: rcl.pem}}
      |          ^^^
      |
      = help: write both, such as {ca: ca.pem, cert: rcl.pem, key: rcl.key}, or neither

    error: `tls` has no `ca`
     --> rcl.yaml:2:10
      |
    2 | access: {tls: {cert: rcl.pem}}
      |          ^^^
      |
      = help: write the file with the certificate of the authority that signed those of the servers: {ca: ca.pem}

    error: `a b` is not an address
     --> rcl.yaml:4:70
      |
    4 |   host1: {address: 10.0.0.8, access: {tls: {ca: ca.pem, server_name: "a b"}}}
      |                                                                      ^^^^^
      |
      = help: write an IP address, or a DNS name such as redis1.example.net

    error: `ca` is empty
     --> rcl.yaml:5:49
      |
    5 |   host2: {address: 10.0.0.9, access: {tls: {ca: "", key: rcl.key}}}
      |                                                 ^^
      |
      = help: write the path of a PEM file, such as `ca: ca.pem`

    error: `tls` can't be a single value
     --> rcl.yaml:6:45
      |
    6 |   host3: {address: 10.0.0.10, access: {tls: yes, password: prompt}}
      |                                             ^^^
      |
      = help: write tls: {ca: ca.pem}
    "#);
}

/// What the top says completes what a host says.
#[test]
fn a_host_that_says_half_of_it() {
    let text = r#"access: {password: prompt, tls: {ca: ca.pem, cert: a.pem, key: a.key}}
hosts:
  host1: {address: 10.0.0.8, access: {username: rcl, tls: {cert: b.pem, key: b.key}}}
  host2: {address: 10.0.0.9, access: {tls: {server_name: redis.internal}}}
shards: {a: {primary: host1:7000, replicas: [host2:7000, 10.0.0.7:7000]}}
cluster: orders
"#;
    let desired = rcl::desired::parse(text).unwrap();
    let access = |node: &str| {
        let node = &desired.nodes[&rcl::base::NodeName::new(node)];
        let access = desired.access_of(node);
        let tls = access.tls.as_ref().unwrap();
        let (cert, _) = tls.identity.as_ref().unwrap();
        assert!(access.password.is_some());
        format!(
            "{:?} {} {} {:?}",
            access.username,
            tls.ca.display(),
            cert.display(),
            tls.server_name
        )
    };
    assert_eq!(access("host1:7000"), "Some(\"rcl\") ca.pem b.pem None");
    assert_eq!(
        access("host2:7000"),
        "None ca.pem a.pem Some(\"redis.internal\")"
    );
    assert_eq!(access("10.0.0.7:7000"), "None ca.pem a.pem None");
}
