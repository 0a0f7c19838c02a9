// Settings table, group places: where the spool and the mailboxes are, and how mailboxes are named.
// Constant data and pure setters; called through conf/setting.hpp.
#include "conf/access.hpp"

namespace posthouse::conf {
namespace {

constexpr std::array kMailboxFormats = {
    Choice<MailboxFormat>{"maildir", MailboxFormat::maildir},
    Choice<MailboxFormat>{"mbox", MailboxFormat::mbox},
};
constexpr std::array kDeliverySyncs = {
    Choice<DeliverySync>{"checkpoint", DeliverySync::checkpoint},
    Choice<DeliverySync>{"always", DeliverySync::always},
};

Problem set_hash_spool(Settings& settings, Given& given) {
  const auto value = parse_count(given.words[0], 0, 2);
  if (!value)
    return fmt::format("{} is not 0, 1 or 2; write one of them", in_quotes(given.words[0]));
  settings.hash_spool = static_cast<unsigned>(*value);
  return std::nullopt;
}

std::vector<Words> get_hash_spool(const Settings& settings) {
  return {{fmt::format("{}", settings.hash_spool)}};
}

Problem set_separator(Settings& settings, Given& given) {
  // Not a letter or digit, or "ab" + "c" and "a" + "bc" would be one file; not % because mailbox
  // names use it for escapes; not . / \ because they mean something to the file system.
  constexpr std::string_view kGood = "_-+=,~#!^@:;$&";
  const std::string& word = given.words[0];
  if (word.size() != 1 || kGood.find(word[0]) == std::string_view::npos) {
    return fmt::format(
        "{} cannot stand between prefix and user; write a single mark like _ or - or + (not / \\ . "
        "% a letter, a digit or white space)",
        in_quotes(word));
  }
  settings.vdomain_separator = word[0];
  return std::nullopt;
}

std::vector<Words> get_separator(const Settings& settings) {
  return {{std::string(1, settings.vdomain_separator)}};
}

constexpr Setting kRows[] = {
    {.name = "work_path",
     .group = Group::places,
     .arguments = "DIR",
     .unit = "none",
     .default_text = "(none: must be written)",
     .compulsory = true,
     .applies = "the whole server",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "work_path; it holds the whole spool now, not work files alone",
     .help = "The one spool folder: queue, mailboxes, users, run-time files.",
     .documentation =
         "Created when missing. It holds queue/ (the durable queue, owned by one process at a "
         "time), drop/ (the mailboxes), users (the built-in user file) and run/. It must be on a "
         "local disk: an accepted message is flushed into it before the answer. Paths are absolute "
         "or begin with ./ (the folder of the configuration file).",
     .example = "work_path /var/spool/posthouse",
     .set = set_path<&Settings::work_path>,
     .get = get_text<&Settings::work_path>,
     .copy = copy_member<&Settings::work_path>},
    {.name = "drop_path",
     .group = Group::places,
     .arguments = "DIR",
     .unit = "none",
     .default_text = "(work_path/drop)",
     .applies = "local delivery and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "drop_path; it was compulsory",
     .help = "The folder of the main domain's mailboxes.",
     .documentation =
         "Each user of the main domain has one entry in it (a Maildir folder or an mbox file), "
         "perhaps below the levels that hash_spool asks for. A vdomain names its own folder.",
     .example = "drop_path /var/mail/posthouse",
     .set = set_path<&Settings::drop_path>,
     .get = get_text<&Settings::drop_path>,
     .copy = copy_member<&Settings::drop_path>},
    {.name = "mailbox_format",
     .group = Group::places,
     .arguments = "maildir|mbox",
     .unit = "none",
     .default_text = "maildir",
     .applies = "local delivery and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "How mailboxes are kept: Maildir folders, or mbox drop files as DMail wrote them.",
     .documentation =
         "Maildir keeps one file for each message; Dovecot, mutt and others can share it. mbox "
         "keeps all messages of a user in one file in mboxrd form, as DMail's drop files. Existing "
         "mailboxes are not converted when this changes.",
     .example = "mailbox_format mbox",
     .set = set_choice<&Settings::mailbox_format, kMailboxFormats>,
     .get = get_choice<&Settings::mailbox_format, kMailboxFormats>,
     .copy = copy_member<&Settings::mailbox_format>},
    {.name = "delivery_sync",
     .group = Group::places,
     .arguments = "checkpoint|always",
     .unit = "none",
     .default_text = "checkpoint",
     .applies = "local delivery",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "When mailbox files are flushed: together at checkpoints, or each at once.",
     .documentation =
         "With checkpoint the queue stays responsible for a delivered message until a checkpoint "
         "(at most 2 s later) has flushed its mailbox, and writes it again after a crash: as safe "
         "as always and much faster. Use always when mailboxes are on a network file system or "
         "when another program removes mail right after its arrival.",
     .example = "delivery_sync always",
     .set = set_choice<&Settings::delivery_sync, kDeliverySyncs>,
     .get = get_choice<&Settings::delivery_sync, kDeliverySyncs>,
     .copy = copy_member<&Settings::delivery_sync>},
    {.name = "hash_spool",
     .group = Group::places,
     .arguments = "0|1|2",
     .unit = "none",
     .default_text = "0",
     .applies = "local delivery and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "hash_spool; DMail's own function is unknown, qpopper's of the same name is used",
     .help = "Spreads mailboxes over sub-folders: 0 none, 1 by a sum, 2 by the first two letters.",
     .documentation =
         "0 puts every mailbox right into its folder. 1 adds one level: the sum of the user name's "
         "first five characters modulo 26 as a letter. 2 adds two levels: the first and the second "
         "character. With 2, bob is found in drop/b/o/bob. Existing mailboxes are not moved when "
         "this changes.",
     .example = "hash_spool 2",
     .set = set_hash_spool,
     .get = get_hash_spool,
     .copy = copy_member<&Settings::hash_spool>},
    {.name = "drop_prefix",
     .group = Group::places,
     .arguments = "true|false",
     .unit = "none",
     .default_text = "true",
     .applies = "local delivery and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "drop_prefix, the same",
     .help = "Whether mailboxes of a vdomain begin with its prefix.",
     .documentation =
         "true names the mailbox of bob in a vdomain with prefix shop shop_bob, false names it "
         "bob. "
         "With false every vdomain needs a folder of its own, else the server does not start.",
     .example = "drop_prefix false",
     .set = set_word<&Settings::drop_prefix, parse_bool>,
     .get = get_word<&Settings::drop_prefix, format_bool>,
     .copy = copy_member<&Settings::drop_prefix>},
    {.name = "vdomain_separator",
     .group = Group::places,
     .arguments = "CHARACTER",
     .unit = "none",
     .default_text = "_",
     .applies = "local delivery and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "vdomain_separator, the same; marks that are unsafe in file names are refused",
     .help = "The mark between a vdomain's prefix and the user in mailbox names.",
     .documentation =
         "One ASCII mark. Letters, digits, white space and / \\ . % are refused: with them two "
         "users could be given one mailbox, or a name could leave its folder.",
     .example = "vdomain_separator -",
     .set = set_separator,
     .get = get_separator,
     .copy = copy_member<&Settings::vdomain_separator>},
};

}  // namespace

std::span<const Setting> places_rows() { return kRows; }

}  // namespace posthouse::conf
