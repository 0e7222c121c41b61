use super::*;

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tollgate.toml");
    std::fs::write(&path, toml).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_sources(Some(&path), variables)
}

fn refusal(toml: &str, variables: &[(&str, &str)]) -> String {
    load(toml, variables).err().expect("refused").to_string()
}

#[test]
fn the_defaults_are_whole() {
    let settings = load("", &[]).unwrap();
    assert_eq!(settings.public.listen, "127.0.0.1:8080");
    assert!(settings.master_key().unwrap().is_none());
    assert!(settings.admin.bootstrap_token().unwrap().is_none());
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[public]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n";
    let settings = load(file, &[("TOLLGATE_PUBLIC__LISTEN", "127.0.0.1:2")]).unwrap();
    assert_eq!(settings.public.listen, "127.0.0.1:2");
    assert_eq!(settings.public.workers, 3);
}

#[test]
fn numbers_and_lists_come_from_text() {
    let variables = [
        ("TOLLGATE_PUBLIC__WORKERS", "7"),
        ("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8"),
        ("TOLLGATE_MASTER_KEY", "0123"),
    ];
    let settings = load("", &variables).unwrap();
    assert_eq!(settings.public.workers, 7);
    assert_eq!(settings.public.trusted_proxies.len(), 2);
    assert_eq!(settings.master_key().unwrap().unwrap().expose_secret(), "0123");
}

#[test]
fn a_wrong_key_is_named() {
    assert_eq!(
        refusal("[public]\nlisen = \"x\"\n", &[]),
        "unknown setting 'public.lisen' (did you mean 'public.listen'?); `tollgate settings` prints all of them"
    );
    assert!(refusal("", &[("TOLLGATE_DATABSE__URL", "x")]).contains("'databse.url'"));
}

#[test]
fn a_wrong_value_is_named_with_its_key() {
    for (toml, key) in [
        ("[public]\nworkers = \"many\"\n", "public.workers"),
        ("[public]\ntrusted_proxies = [\"ten\"]\n", "public.trusted_proxies"),
        ("[database]\nurl = \"mysql://x\"\n", "database.url"),
        ("[redis]\nurl = \"http://secret@host/\"\n", "redis.url"),
        ("[redis]\nprefix = \"a{b}\"\n", "redis.prefix"),
        ("[redis]\ntimeout_ms = 0\n", "redis.timeout_ms"),
        ("[webhooks]\npoll_ms = 0\n", "webhooks.poll_ms"),
        ("[log]\nformat = \"xml\"\n", "log.format"),
        ("[limits]\nkey_rates = \"fast\"\n", "limits.key_rates"),
        ("[limits]\nmerchant_in_flight = 0\n", "limits.merchant_in_flight"),
        ("[shedding]\nafter_ms = 0\n", "shedding.after_ms"),
    ] {
        let message = refusal(toml, &[]);
        assert!(message.contains(key) && !message.contains("secret"), "{message}");
    }
}

#[test]
fn the_master_key_comes_from_a_command() {
    let from = |command: &str| {
        load("", &[("TOLLGATE_MASTER_KEY_COMMAND", command)])
            .unwrap()
            .master_key()
    };
    assert_eq!(
        from("printf 'sec%s\\n' ret").unwrap().unwrap().expose_secret(),
        "secret"
    );
    for (command, words) in [
        ("exit 3", "status: 3"),
        ("true", "prints nothing"),
        ("/does/not/exist", "status: 127"),
    ] {
        let said = from(command).err().unwrap().to_string();
        assert!(said.contains("master_key_command") && said.contains(words), "{said}");
    }
    let both = load(
        "",
        &[("TOLLGATE_MASTER_KEY_COMMAND", "true"), ("TOLLGATE_MASTER_KEY", "x")],
    )
    .unwrap();
    assert!(both.master_key().is_err());
}

#[test]
fn several_previous_keys_are_told_apart() {
    let settings = load("master_key_previous = \"aa, bb cc\"\n", &[]).unwrap();
    let keys = settings.previous_master_keys().unwrap();
    let keys: Vec<_> = keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(keys, ["aa", "bb", "cc"]);
}

#[test]
fn a_secret_comes_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "secret\n").unwrap();
    let path = path.to_str().unwrap();
    let settings = load("", &[("TOLLGATE_MASTER_KEY_FILE", path)]).unwrap();
    assert_eq!(settings.master_key().unwrap().unwrap().expose_secret(), "secret");
    let both = load("", &[("TOLLGATE_MASTER_KEY_FILE", path), ("TOLLGATE_MASTER_KEY", "x")]).unwrap();
    assert!(both.master_key().err().unwrap().to_string().contains("not both"));
    let absent = load("", &[("TOLLGATE_MASTER_KEY_FILE", "/does/not/exist")]).unwrap();
    assert!(
        absent
            .master_key()
            .err()
            .unwrap()
            .to_string()
            .contains("/does/not/exist")
    );
}
