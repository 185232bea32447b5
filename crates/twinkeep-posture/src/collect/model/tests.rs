//! Files of models as Python makes them, and what is said of them.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use super::collect;
use crate::facts::model::{Content, Model, ModelSignature};

/// A judge that knows JSON only, in place of the registry's.
fn judge(_: &str, bytes: &mut dyn Read) -> std::io::Result<Content> {
    let mut all = Vec::new();
    bytes.read_to_end(&mut all)?;
    let is_json = serde_json::from_slice::<serde_json::Value>(&all).is_ok();
    Ok(if is_json {
        Content::Checked { format: "json".to_owned() }
    } else {
        Content::Unsupported { why: "it is none of the formats that hold data only".to_owned() }
    })
}

/// Runs Python in a folder, with a class whose objects call when loaded.
pub(crate) fn python(folder: &Path, script: &str) {
    let script = format!(
        "import pickle, os, zipfile, gzip, zlib, json\n\
         class Calls:\n    def __reduce__(self): return (os.system, ('true',))\n{script}"
    );
    let output =
        Command::new("python3").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn facts(folder: &Path) -> Model {
    let signature = ModelSignature::NotChecked { why: "nobody looked".to_owned() };
    collect(folder, &judge, signature).unwrap()
}

/// As PyTorch, joblib, and NumPy write them: zipped, compressed, behind a head, or plain.
#[test]
fn pickles_are_found_in_all_that_they_are_wrapped_in() {
    let folder = tempfile::tempdir().unwrap();
    python(
        folder.path(),
        "p = pickle.dumps([1, Calls()])\n\
         z = zipfile.ZipFile('torch.pt', 'w'); z.writestr('m/data.pkl', p); z.writestr('m/data/0', b'\\0' * 64); z.close()\n\
         z = zipfile.ZipFile('packed.pt', 'w', zipfile.ZIP_DEFLATED); z.writestr('m/data.pkl', p); z.close()\n\
         open('plain.bin', 'wb').write(p)\n\
         open('model.joblib.gz', 'wb').write(gzip.compress(p))\n\
         open('model.joblib.z', 'wb').write(zlib.compress(p))\n\
         h = b\"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\"; h = h.ljust(117) + b'\\n'\n\
         n = b'\\x93NUMPY\\x01\\x00' + len(h).to_bytes(2, 'little') + h + p\n\
         open('array.npy', 'wb').write(n)\n\
         z = zipfile.ZipFile('arrays.npz', 'w'); z.writestr('a.npy', n); z.close()\n\
         json.dump({'layers': 3}, open('config.json', 'w'))\n",
    );
    let model = facts(folder.path());
    assert_eq!(model.files.len(), 8);
    for file in &model.files {
        if file.path.ends_with("config.json") {
            assert_eq!(file.content, Content::Checked { format: "json".to_owned() });
            continue;
        }
        assert_eq!(file.pickles.len(), 1, "{file:?}");
        assert_eq!(file.pickles[0].calls, ["posix.system"], "{file:?}");
    }
}

#[test]
fn arrays_of_numbers_and_archives_without_pickles_have_none() {
    let folder = tempfile::tempdir().unwrap();
    python(
        folder.path(),
        "h = b\"{'descr': '<f8', 'fortran_order': False, 'shape': (8,), }\".ljust(117) + b'\\n'\n\
         open('array.npy', 'wb').write(b'\\x93NUMPY\\x01\\x00' + len(h).to_bytes(2, 'little') + h + b'\\x80\\x02cos\\nsystem\\n' * 4)\n\
         z = zipfile.ZipFile('text.zip', 'w'); z.writestr('a.txt', 'text'); z.close()\n\
         open('broken.zip', 'wb').write(b'PK\\x03\\x04' + b'x' * 100)\n\
         open('broken.gz', 'wb').write(b'\\x1f\\x8b\\x08' + b'x' * 100)\n\
         open('empty', 'wb')\n",
    );
    for file in facts(folder.path()).files {
        assert!(file.pickles.is_empty(), "{file:?}");
        assert!(matches!(file.content, Content::Unsupported { .. }), "{file:?}");
    }
}

#[test]
fn links_and_pipes_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    let made = Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let model = facts(folder.path());
    assert_eq!(model.files.len(), 2);
    assert!(model.files.iter().all(|file| matches!(file.content, Content::Unread { .. })));
    let missing = collect(Path::new("/nonexistent"), &judge, model.signature).unwrap_err();
    assert_eq!(missing.code(), "collect-read");
}
