//! Options are checked offline, and no secret is ever shown.

use super::kit::{local, project};
use springline_warehouse::{ErrorKind, TargetConfig, connect, engines};

async fn refused(config: TargetConfig) -> springline_warehouse::WarehouseError {
    match connect(config).await {
        Ok(_) => panic!("the target should be refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_unknown_engine_and_unknown_options_are_named() {
    let project = project();
    let error = refused(TargetConfig { engine: "oracle".into(), ..local(project.path()) }).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.hint().unwrap().contains("datafusion, duckdb, postgres, redshift, snowflake"), "{error:?}");

    let mut config = local(project.path());
    config.options.insert("paht".into(), "data".into());
    let error = refused(config).await;
    assert!(error.message().contains("`paht`") && error.hint().unwrap().contains("path"), "{error:?}");

    let mut config = local(project.path());
    config.options.insert("memory_limit".into(), "a lot".into());
    assert_eq!(refused(config).await.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn required_options_are_asked_for_and_a_bad_sslmode_is_refused() {
    let project = project();
    let mut config = TargetConfig { engine: "postgres".into(), ..local(project.path()) };
    assert!(refused(config.clone()).await.message().contains("`host`"));
    for (name, value) in [("host", "h"), ("user", "u"), ("database", "d"), ("sslmode", "verify")] {
        config.options.insert(name.into(), value.into());
    }
    assert!(refused(config).await.hint().unwrap().contains("verify-full"));
}

#[test]
fn debug_hides_the_values_of_options() {
    let mut config = local(std::path::Path::new("/project"));
    config.options.insert("password".into(), "hunter2".into());
    let shown = format!("{config:?}");
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn every_engine_and_option_has_a_meaning_and_passwords_are_secret() {
    for engine in engines() {
        assert!(!engine.meaning.is_empty());
        for option in engine.options {
            assert!(option.meaning.ends_with('.'), "{}: {}", engine.name, option.name);
            let secret = ["password", "private_key", "token", "client_secret", "credentials"];
            assert_eq!(option.secret, secret.contains(&option.name), "{}: {}", engine.name, option.name);
            assert!(!(option.required && option.default.is_some()), "{}", option.name);
        }
    }
}
