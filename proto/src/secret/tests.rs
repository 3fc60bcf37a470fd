//! Spellings of passwords that must be masked, and texts that must not.

use super::*;

#[test]
fn a_password_is_masked_wherever_a_text_shows_it() {
    for (text, shown) in [
        ("rtsp://user:s3cret@host/stream", "rtsp://user:***@host/stream"),
        ("rtsp://user:s3cret@host:554/a?b=c", "rtsp://user:***@host:554/a?b=c"),
        ("rtsp://user:p@ss/w?rd@host/stream", "rtsp://user:***@host/stream"),
        ("rtsp://:s3cret@host", "rtsp://:***@host"),
        ("rtsp://user:my pass@host/x", "rtsp://user:***@host/x"),
        ("rtsp://user:s3cret@[::1]:554/x", "rtsp://user:***@[::1]:554/x"),
        ("http://host/x?token=abc&x=1", "http://host/x?token=***&x=1"),
        ("http://u:p@host/x?password=abc", "http://u:***@host/x?password=***"),
        (
            "rtspsrc location=rtsp://u:s3cret@h/x user-pw=abc ! appsink",
            "rtspsrc location=rtsp://u:***@h/x user-pw=*** ! appsink",
        ),
        (
            "rtspsrc location=\"rtsp://u:my pass@h/x\" user-pw = 'a b' ! appsink",
            "rtspsrc location=\"rtsp://u:***@h/x\" user-pw = '***' ! appsink",
        ),
        ("a rtsp://u:one@h and rtsp://u:two@h", "a rtsp://u:***@h and rtsp://u:***@h"),
        ("- { source: \"rtsp://u:s3cret@h/x\", name: a@b }", "- { source: \"rtsp://u:***@h/x\", name: a@b }"),
    ] {
        assert_eq!(masked(text), shown);
        assert_eq!(Secret::from(text).to_string(), shown);
        assert!(Secret::from(text).has_password(), "{text}");
        assert_eq!(format!("{:?}", Secret::from(text)), format!("{shown:?}"));
        assert_eq!(serde_json::to_value(Secret::from(text)).unwrap(), shown);
    }
}

#[test]
fn no_spelling_of_a_password_is_left_over() {
    for text in [
        "srt://h:9000?passphrase=s3cret",
        "srt://h?mode=caller&passphrase=s3cret",
        "srtsrc uri=srt://h passphrase=s3cret ! appsink",
        "rtsp://h/user=admin_password=s3cret_channel=1_stream=0.sdp",
        "http://h/video.cgi?loginuse=admin&loginpas=s3cret",
        "http://h/x?api_key=s3cret",
        "http://h/x?X-Amz-Signature=s3cret",
        "http://h/x?keyword=s3cret",
        "http://h/x?PWD=s3cret",
        "rtmp://h/live?pubUser=a&pubPasswd=s3cret",
        "souphttpsrc extra-headers=\"headers,Authorization=(string)s3cret\" ! appsink",
        "souphttpsrc extra-headers=\"Authorization: Basic s3cret\" ! appsink",
        "Authorization: Bearer s3cret",
        "rtsp:/u:s3cret@h/x",
        "rtsp;//u:s3cret@h/x",
        "rtsp:u:s3cret@h/x",
        "u:s3cret@h",
        "- { source: rtsp:/u:s3cret@h/x, name: left }",
        "- { source: \"u:s3cret@h\", name: left }",
        "rtsp://u:1234 s3cret@h",
        "- { source: rtsp://u:1234 s3cret@h/x, name: left }",
        "rtspsrc user-pw=\"a\\\"s3cret\" ! appsink",
        "rtspsrc user-pw=my\\ s3cret ! appsink",
        "http://h/x?pass=a#s3cret",
        "rtsp://dom/u:s3cret@h/x",
        "rtsp://dom\\u:s3cret@h/x",
    ] {
        let shown = masked(text);
        assert!(!shown.contains("s3cret") && shown.contains(MASK), "{text} is shown as {shown}");
        assert!(!Secret::from(text).to_string().contains("s3cret"), "{text}");
        assert!(Secret::from(text).has_password(), "{text}");
    }
}

#[test]
fn a_password_that_is_a_word_leaves_other_words_as_they_are() {
    let secret = Secret::from("rtsp://user:door@host/stream");
    for line in ["the indoor camera", "doors", "2door", "[ WARN:0@1.234] global cap.cpp:1 open"] {
        assert_eq!(secret.mask_in(line), line);
    }
    for line in ["user door at host", "user=door,", "\"door\"", "user:door@host", "a_door"] {
        assert_eq!(secret.mask_in(line), line.replace("door", MASK));
    }
}

#[test]
fn a_text_without_a_password_stays_as_it_is() {
    for text in [
        "rtsp://host:554/stream",
        "rtsp://user@host/stream",
        "rtsp://[::1]:554/stream@2",
        "http://host/x?time=12:30&mail=a@b",
        "Connection to tcp://127.0.0.1:554?timeout=0 failed: mail root@localhost",
        "/films/left.mp4",
        "v4l2src ! videoconvert ! appsink",
        "a: b@c",
        "- { source: rtsp://h:554/x, name: a@b }",
        "camera: { fps: 60, name: a@b }",
        "x264enc key-int-max=30 ! appsink",
    ] {
        assert_eq!(masked(text), text);
        assert!(!Secret::from(text).has_password(), "{text}");
    }
}

#[test]
fn a_library_that_prints_only_the_password_is_masked_too() {
    let secret = Secret::from("rtsp://user:p%40ssword@host/stream");
    assert_eq!(secret.mask_in("can't open user:p@ssword at host"), "can't open user:*** at host");
    assert_eq!(secret.mask_in("can't open p%40ssword"), "can't open ***");
    assert_eq!(secret.mask_in("a plain line"), "a plain line");
    // Too short to be searched for on its own.
    assert_eq!(Secret::from("rtsp://user:a@host").mask_in("a plain line"), "a plain line");
}

#[test]
fn a_mark_stays_under_its_place() {
    let line = "{ source: rtsp://u:s3cret@h, fps: 0 }";
    let column = masked_column(line, line.find('0').unwrap());
    assert_eq!(masked(line).chars().nth(column), Some('0'));
    assert_eq!(masked_column(line, 10), 10);
}
