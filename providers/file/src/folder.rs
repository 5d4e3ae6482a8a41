//! Folders that privlink makes for itself.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// The folder under which privlink keeps what is its own.
const OWN: &str = ".privlink";

/// Makes a folder that is not there, with those above it. `.privlink` and what is in it are for their owner
/// alone (mode 0700), also if they were there, and none of them may be a link: who may commit to the working
/// folder could have the run write elsewhere.
///
/// # Errors
/// One of them is a link, or cannot be made or kept to the owner.
pub fn private_folder(path: &Path) -> io::Result<()> {
    let above: Vec<&Path> = path.ancestors().filter(|it| !it.as_os_str().is_empty()).collect();
    let mut is_own = false;
    for folder in above.into_iter().rev() {
        is_own |= folder.file_name() == Some(OsStr::new(OWN));
        match std::fs::symlink_metadata(folder) {
            Ok(there) if is_own && there.is_symlink() => {
                let shown = folder.display();
                return Err(io::Error::other(format!("{shown} is a link, which is not followed")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => match make(folder) {
                // Another process made it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            },
            Err(error) => return Err(error),
        }
        if is_own {
            keep_private(folder)?;
        }
    }
    Ok(())
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn keep_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let there = std::fs::metadata(folder)?;
    if there.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    match std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)) {
        // It is somebody else's, who lets us in: what is written there is mode 0600 all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        kept => kept,
    }
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> io::Result<()> {
    Ok(())
}
