//! The file of `--messages`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use engine::prompt::{Conversation, Message, Role};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleName {
    System,
    User,
    Assistant,
    Observation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageLine {
    role: RoleName,
    content: String,
    /// Relative to the file that it stands in.
    image: Option<PathBuf>,
}

/// The conversation in `file`, and the file of its image.
pub fn read(file: &Path) -> anyhow::Result<(Conversation, Option<PathBuf>)> {
    let about = || format!("the messages {}", file.display());
    let text = std::fs::read_to_string(file).with_context(about)?;
    let lines: Vec<MessageLine> = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} are not a JSON list of {{\"role\", \"content\", \"image\"?}}",
            about()
        )
    })?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let image = lines
        .iter()
        .find_map(|line| line.image.as_ref())
        .map(|image| folder.join(image));
    let conversation = Conversation::new(lines.into_iter().map(message).collect()).with_context(about)?;
    Ok((conversation, image))
}

fn message(line: MessageLine) -> Message {
    let role = match line.role {
        RoleName::System => Role::System,
        RoleName::User => Role::User,
        RoleName::Assistant => Role::Assistant,
        RoleName::Observation => Role::Observation,
    };
    Message {
        role,
        content: line.content,
        image: line.image.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<(Conversation, Option<PathBuf>), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("messages.json");
        std::fs::write(&file, text).unwrap();
        let image = |image: PathBuf| image.strip_prefix(dir.path()).unwrap_or(&image).to_owned();
        read(&file)
            .map(|(found, path)| (found, path.map(image)))
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_images_path_is_relative_to_the_file() {
        let text = r#"[{"role":"system","content":"s"},{"role":"user","content":"q","image":"in/a.png"}]"#;
        let (conversation, image) = read_text(text).unwrap();
        assert_eq!(image, Some(PathBuf::from("in/a.png")));
        assert_eq!(conversation.messages().len(), 2);
        assert!(conversation.has_image());
        let absolute = r#"[{"role":"user","content":"q","image":"/in/a.png"}]"#;
        assert_eq!(read_text(absolute).unwrap().1, Some(PathBuf::from("/in/a.png")));
    }

    #[test]
    fn what_is_no_conversation_is_refused_with_its_reason() {
        for (text, reason) in [
            ("[", "EOF while parsing"),
            ("{}", "expected a sequence"),
            ("[]", "there is no question"),
            (
                r#"[{"role":"user","content":"q","extra":1}]"#,
                "unknown field `extra`",
            ),
            (r#"[{"role":"tenant","content":"q"}]"#, "unknown variant `tenant`"),
            (r#"[{"role":"user"}]"#, "missing field `content`"),
            (
                r#"[{"role":"assistant","content":"q"}]"#,
                "the last message must be from `user`",
            ),
            (
                r#"[{"role":"user","content":"a","image":"1"},{"role":"user","content":"b","image":"2"}]"#,
                "one image per conversation",
            ),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(
                error.contains(reason) && error.contains("messages.json"),
                "{text}: {error}"
            );
        }
    }
}
