use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "old").unwrap();
    replace_text(&path, Readers::Owner, "new").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    let failed = replace(&path, Readers::Owner, |file| {
        file.write_all(b"half")?;
        Err(io::Error::other("no room"))
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn what_a_killed_run_left_behind_holds_nobody_up_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(".a.0123456789abcdef.privlink-new");
    let file = File::create(&left).unwrap();
    let recent = folder.path().join(".a.00.privlink-new");
    File::create(&recent).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    file.set_modified(old).unwrap();
    replace_text(&folder.path().join("a"), Readers::All, "x").unwrap();
    assert!(!left.exists() && recent.exists());
}

#[test]
fn a_read_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "12345678").unwrap();
    assert_eq!(read(&path, 8).unwrap(), b"12345678");
    assert!(read(&path, 7).unwrap_err().to_string().contains("more than"));
    #[cfg(target_os = "linux")]
    assert!(read(Path::new("/dev/zero"), 1 << 20).is_err());
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn no_link_is_followed_and_modes_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(open_or_create(&link).unwrap_err().to_string().contains("is a link"));
        assert!(create_new(&link).is_err());
        replace_text(&link, Readers::Owner, "x").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(mode(&link), 0o600);
        let own = folder.path().join("own");
        open_or_create(&own).unwrap();
        assert_eq!(mode(&own), 0o600);
    }

    #[test]
    fn own_folders_are_private_and_no_links() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(".privlink/journal");
        std::fs::create_dir_all(&own).unwrap();
        private_folder(&own).unwrap();
        assert_eq!((mode(&own), mode(own.parent().unwrap())), (0o700, 0o700));
        for (at, below) in [(".privlink", ".privlink/sandbox"), (".privlink/s", ".privlink/s/a")] {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join(at);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
            symlink(folder.path().join("elsewhere"), &link).unwrap();
            let error = private_folder(&folder.path().join(below)).unwrap_err();
            assert!(error.to_string().contains("is a link"), "{error}");
        }
    }
}
