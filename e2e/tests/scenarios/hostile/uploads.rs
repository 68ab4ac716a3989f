//! Files that should not be, and forms with files that are none.

use super::scene::{LIMIT, Scene, refused, says_what_to_do};
use super::stored;
use crate::person::Form;
use crate::raw::Request;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_makes_no_sense_stores_no_file() {
    let scene = Scene::start().await;
    let form = scene.person.open(&scene.todo).await.form("/attachments");
    let fields = || {
        vec![
            field("csrf", form.value("csrf")),
            field("key", form.value("key")),
        ]
    };
    let with = |more: (String, Vec<u8>)| uploaded(&scene, &form, &[fields(), vec![more]].concat());
    let whole = || with(file("a.txt", b"a"));
    let typed = |media_type: &str| whole().header("content-type", media_type);
    let backwards = [vec![file("a.txt", b"a")], fields()].concat();
    let mut nobodys = form.clone();
    let nobody = "/lists/inbox/todos/00000000-0000-4000-8000-000000000000/attachments";
    nobody.clone_into(&mut nobodys.action);
    let nobodys = uploaded(
        &scene,
        &nobodys,
        &[fields(), vec![file("a.txt", b"a")]].concat(),
    );
    let bytes = whole().replacing(b"filename=\"a", b"filename=\"\xff");
    let large = vec![b'a'; 3 * LIMIT];

    let refusals = [
        refused(413, [("a file too large", with(file("a.txt", &large)))]),
        refused(
            422,
            [
                ("a file that is none", with(file("", b""))),
                ("no file", uploaded(&scene, &form, &fields())),
                ("a field in place of a file", with(field("file", "a"))),
                (
                    "a file without a key",
                    uploaded(&scene, &form, &fields()[..1]),
                ),
            ],
        ),
        refused(
            403,
            [(
                "a file before its token",
                uploaded(&scene, &form, &backwards),
            )],
        ),
        refused(
            415,
            [
                ("a form without files", scene.sent(&form)),
                ("no boundary", typed("multipart/form-data")),
            ],
        ),
        refused(
            400,
            [
                ("another boundary", typed("multipart/form-data; boundary=c")),
                ("a name in bytes", bytes),
            ],
        ),
        refused(404, [("a file to nobody's to-do", nobodys)]),
    ];
    scene.refuses(&refusals.concat()).await;

    // How large this one is shows only as it comes.
    let before = stored(&scene.stack).await;
    let endless = with(file("endless.txt", &large)).in_chunks();
    let answer = endless.send(scene.frontend).await;
    assert_eq!(answer.status, 413, "{answer:#?}");
    assert!(says_what_to_do(&answer), "{answer:#?}");
    let after = stored(&scene.stack).await;
    assert_eq!(after["storage"], before["storage"], "no file is stored");
    scene.end().await;
}

/// A form with a file, as the browser sends it; the parts as they stand.
pub(super) fn uploaded(scene: &Scene, form: &Form, parts: &[(String, Vec<u8>)]) -> Request {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--b\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    scene
        .sent(form)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body)
}

pub(super) fn field(name: &str, value: &str) -> (String, Vec<u8>) {
    let head = format!("content-disposition: form-data; name=\"{name}\"");
    (head, value.as_bytes().to_owned())
}

pub(super) fn file(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: text/html"
    );
    (head, content.to_owned())
}
