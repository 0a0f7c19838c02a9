// Settings table, groups limits and logging. Constant data and pure setters; called through
// conf/setting.hpp.
#include "conf/access.hpp"

namespace posthouse::conf {
namespace {

constexpr std::array kLogLevels = {
    Choice<LogLevel>{"error", LogLevel::error},
    Choice<LogLevel>{"info", LogLevel::info},
    Choice<LogLevel>{"debug", LogLevel::debug},
};
constexpr std::array kLogFormats = {
    Choice<LogFormat>{"text", LogFormat::text},
    Choice<LogFormat>{"json", LogFormat::json},
};

constexpr std::uint64_t kMostConnections = 1000000;
constexpr std::uint64_t kMostRcpts = 100000;

Parsed<std::uint64_t> parse_msg_max_size(std::string_view text) {
  auto size = parse_size(text);
  // RFC 5321 4.5.3.1.7 asks for 64K at least; a smaller limit is the administrator's choice.
  if (size && (*size < kKilo || *size > 2 * kGiga)) {
    return tl::unexpected<std::string>(
        fmt::format("{} is out of range; write a size from 1K to 2G", in_quotes(text)));
  }
  return size;
}

std::string format_octets(const std::uint64_t& octets) { return format_size(octets); }

Parsed<std::uint64_t> parse_space(std::string_view text) { return parse_size(text, kMega); }

std::string format_space(const std::uint64_t& octets) { return format_size(octets, kMega); }

Problem set_log_file(Settings& settings, Given& given) {
  if (given.words[0] == "-") {
    settings.log_file.clear();
    return std::nullopt;
  }
  return set_path<&Settings::log_file>(settings, given);
}

std::vector<Words> get_log_file(const Settings& settings) {
  return {{settings.log_file.empty() ? "-" : settings.log_file}};
}

constexpr Setting kLimitRows[] = {
    {.name = "msg_max_size",
     .group = Group::limits,
     .arguments = "SIZE",
     .unit = "octets; K, M, G",
     .default_text = "25M",
     .applies = "SMTP",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The largest message that is accepted, 1K to 2G.",
     .documentation =
         "Announced to clients (RFC 1870); a larger message is refused before or after its data. "
         "Attachments grow by a third on their way, so 25M carries about 18 MB of files. Mail "
         "servers "
         "must take 64K at least (RFC 5321 4.5.3.1.7).",
     .example = "msg_max_size 50M",
     .set = set_word<&Settings::msg_max_size, parse_msg_max_size>,
     .get = get_word<&Settings::msg_max_size, format_octets>,
     .copy = copy_member<&Settings::msg_max_size>},
    {.name = "max_rcpts",
     .group = Group::limits,
     .arguments = "COUNT",
     .unit = "recipients",
     .default_text = "100",
     .applies = "SMTP",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "max_rcpts, the same",
     .help = "How many recipients one message may have.",
     .documentation =
         "Further ones are told to try again (452), and a proper client sends them in another "
         "message. Fewer than 100 breaks RFC 5321 4.5.3.1.8 and gives a warning.",
     .example = "max_rcpts 1000",
     .set = set_word<&Settings::max_rcpts, number_between<1, kMostRcpts>>,
     .get = get_word<&Settings::max_rcpts, format_number>,
     .copy = copy_member<&Settings::max_rcpts>},
    {.name = "max_connections",
     .group = Group::limits,
     .arguments = "COUNT",
     .unit = "connections",
     .default_text = "5000",
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "How many clients may be connected at once.",
     .documentation =
         "Further ones are told to come back (421). It is lowered at start, with a warning, when "
         "the system's limit of open files does not allow so many.",
     .example = "max_connections 500",
     .set = set_word<&Settings::max_connections, number_between<1, kMostConnections>>,
     .get = get_word<&Settings::max_connections, format_number>,
     .copy = copy_member<&Settings::max_connections>},
    {.name = "max_connections_per_ip",
     .group = Group::limits,
     .arguments = "COUNT",
     .unit = "connections",
     .default_text = "50",
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "fromip_max and the bomb_ settings, which counted messages",
     .help = "How many connections one client address may hold at once.",
     .documentation = "Further ones are told to come back (421).",
     .example = "max_connections_per_ip 200",
     .set = set_word<&Settings::max_connections_per_ip, number_between<1, kMostConnections>>,
     .get = get_word<&Settings::max_connections_per_ip, format_number>,
     .copy = copy_member<&Settings::max_connections_per_ip>},
    {.name = "min_space",
     .group = Group::limits,
     .arguments = "SIZE",
     .unit = "octets; K, M, G; a number alone counts MB",
     .default_text = "100M",
     .applies = "SMTP",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "min_space, which stopped POP3; it now makes SMTP answer 452",
     .help = "Free disk space below which no new mail is accepted; 0 never refuses.",
     .documentation =
         "While the file system of work_path has less free, MAIL is answered 452 4.3.1 and the "
         "sender tries again later. Reading and deleting mail go on.",
     .example = "min_space 1G",
     .set = set_word<&Settings::min_space, parse_space>,
     .get = get_word<&Settings::min_space, format_space>,
     .copy = copy_member<&Settings::min_space>},
};

constexpr Setting kLoggingRows[] = {
    {.name = "log_level",
     .group = Group::logging,
     .arguments = "error|info|debug",
     .unit = "none",
     .default_text = "info",
     .applies = "the whole server",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "log_level, the same",
     .help = "How much is logged.",
     .documentation =
         "error: what needs a person. info: also one line for each connection, message and "
         "delivery. debug: also the commands of each session. Passwords and message texts are "
         "never logged.",
     .example = "log_level debug",
     .set = set_choice<&Settings::log_level, kLogLevels>,
     .get = get_choice<&Settings::log_level, kLogLevels>,
     .copy = copy_member<&Settings::log_level>},
    {.name = "log_format",
     .group = Group::logging,
     .arguments = "text|json",
     .unit = "none",
     .default_text = "text",
     .applies = "the whole server",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "Log lines for people (text) or for programs (one JSON object a line).",
     .documentation = "Both carry the same events and keys.",
     .example = "log_format json",
     .set = set_choice<&Settings::log_format, kLogFormats>,
     .get = get_choice<&Settings::log_format, kLogFormats>,
     .copy = copy_member<&Settings::log_format>},
    {.name = "log_file",
     .group = Group::logging,
     .arguments = "FILE",
     .unit = "none",
     .default_text = "-",
     .applies = "the whole server",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The file that log lines are added to; - is standard error.",
     .documentation =
         "Under a service manager leave it at standard error: the journal keeps it. After a log "
         "file was moved away, a reload (SIGHUP) opens it anew.",
     .example = "log_file /var/log/posthouse.log",
     .set = set_log_file,
     .get = get_log_file,
     .copy = copy_member<&Settings::log_file>},
};

}  // namespace

std::span<const Setting> limits_rows() { return kLimitRows; }
std::span<const Setting> logging_rows() { return kLoggingRows; }

}  // namespace posthouse::conf
