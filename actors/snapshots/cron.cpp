#include "actors/snapshots/cron.hpp"

#include <charconv>
#include <string>

namespace troupe::snapshots {
namespace {

struct field_rule {
  const char* name;
  unsigned least, most;
  std::string_view words;   ///< Three letters each, from `least` on.
};
constexpr std::array<field_rule, 5> rules{{{"minute", 0, 59, ""}, {"hour", 0, 23, ""}, {"day of the month", 1, 31, ""},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"}, {"day of the week", 0, 6, "sunmontuewedthufrisat"}}};
constexpr int years_max = 9;   // a 29th of February may be eight years away (1896 to 1904)

std::optional<unsigned> number_of(std::string_view text, const field_rule& of) {
  if (text.size() == 3 && !of.words.empty()) {
    std::string small;
    for (const char c : text) small += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto at = of.words.find(small);
    if (at != std::string_view::npos && at % 3 == 0) return of.least + static_cast<unsigned>(at / 3);
  }
  unsigned out = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (of.most == 6 && out == 7) out = 0;   // Sunday, too
  return out < of.least || out > of.most ? std::nullopt : std::optional(out);
}

/// "*", "5", "1-5", "*/10", "3-20/4", "7/5" (from 7 on).
std::optional<std::uint64_t> bits_of(std::string_view part, const field_rule& of) {
  unsigned step = 1;
  const auto slash = part.find('/');
  if (slash != std::string_view::npos) {
    const auto text = part.substr(slash + 1);
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (text.empty() || bad != std::errc() || end != text.data() + text.size() || step == 0 || step > of.most) return std::nullopt;
    part = part.substr(0, slash);
  }
  unsigned first = of.least, last = of.most;
  if (part != "*" && part != "?") {
    const auto dash = part.find('-');
    const auto low = number_of(part.substr(0, dash), of);
    if (!low) return std::nullopt;
    first = *low;
    if (dash != std::string_view::npos) {
      const auto high = number_of(part.substr(dash + 1), of);
      if (!high || *high < first) return std::nullopt;
      last = *high;
    } else if (slash == std::string_view::npos) {
      last = first;
    }
  }
  std::uint64_t out = 0;
  for (unsigned i = first; i <= last; i += step) out |= std::uint64_t{1} << i;
  return out;
}

result<std::uint64_t> read_field(std::string_view text, const field_rule& of) {
  std::uint64_t out = 0;
  for (std::size_t from = 0; from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    const auto bits = bits_of(text.substr(from, comma - from), of);
    if (!bits) return fail(errc::invalid, std::string("the ") + of.name + " \"" + std::string(text.substr(0, 40)) + "\" cannot be read");
    out |= *bits;
    from = comma + 1;
  }
  return out;
}

std::string_view expand(std::string_view text) {
  if (text == "@hourly") return "0 * * * *";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  return text;
}

result<duration> read_interval(std::string_view text) {
  duration sum{};
  const auto wrong = fail(errc::invalid, "@every takes a time as 90s, 30m or 12h, and at least 1s");
  if (text.empty()) return wrong;
  while (!text.empty()) {
    std::uint32_t number = 0;
    const auto [at, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    if (bad != std::errc() || number > 100'000 || text.empty()) return wrong;
    if (text[0] == 's') sum += std::chrono::seconds(number);
    else if (text[0] == 'm') sum += std::chrono::minutes(number);
    else if (text[0] == 'h') sum += std::chrono::hours(number);
    else return wrong;
    text.remove_prefix(1);
  }
  if (sum < std::chrono::seconds(1)) return wrong;
  return sum;
}

}  // namespace

result<schedule> schedule::parse(std::string_view text) {
  schedule out;
  if (text.starts_with("@every ")) {
    auto every = read_interval(text.substr(7));
    if (!every.ok()) return every.why();
    out.every_ = *every;
    return out;
  }
  text = expand(text);
  std::size_t count = 0;
  while (!text.empty()) {
    const auto start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const auto word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    if (count == rules.size()) return fail(errc::invalid, "a schedule has five fields: minute hour day-of-month month day-of-week");
    auto bits = read_field(word, rules[count]);
    if (!bits.ok()) return bits.why();
    if (count == 2) out.any_month_day_ = word[0] == '*' || word[0] == '?';
    if (count == 4) out.any_week_day_ = word[0] == '*' || word[0] == '?';
    out.fields_[count++] = *bits;
  }
  if (count != rules.size()) return fail(errc::invalid, "a schedule has five fields: minute hour day-of-month month day-of-week");
  if (!out.search(wall_time{})) return fail(errc::invalid, "no day ever fits this schedule");
  return out;
}

bool schedule::fits_day(std::chrono::sys_days day) const {
  const std::chrono::year_month_day date(day);
  if (!(fields_[3] >> static_cast<unsigned>(date.month()) & 1)) return false;
  const bool by_month = fields_[2] >> static_cast<unsigned>(date.day()) & 1;
  const bool by_week = fields_[4] >> std::chrono::weekday(day).c_encoding() & 1;
  return any_month_day_ || any_week_day_ ? by_month && by_week : by_month || by_week;
}

std::optional<wall_time> schedule::search(wall_time from) const {
  using namespace std::chrono;
  auto day = floor<days>(from);
  // The first whole minute after `from`.
  auto minute = duration_cast<minutes>(from - day).count() + 1;
  for (const auto end = day + days(366 * years_max); day <= end; day += days(1), minute = 0) {
    if (!fits_day(day)) continue;
    for (; minute < 24 * 60; ++minute)
      if (fields_[1] >> (minute / 60) & 1 && fields_[0] >> (minute % 60) & 1) return wall_time(day.time_since_epoch() + minutes(minute));
  }
  return std::nullopt;
}

wall_time schedule::next(wall_time from) const {
  if (is_interval()) return from + every_;
  return search(from).value_or(wall_time::max());
}

}  // namespace troupe::snapshots
