#include "actors/model/quantity.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace troupe::model {
namespace {

__extension__ using wide = __int128;

constexpr std::string_view wrong_format =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view wrong_suffix = "unable to parse quantity's suffix";

enum class style { decimal, binary, exponent };

/// A value in units of 10^-9, and how it was written.
struct amount {
  wide nano = 0;
  style written = style::decimal;
};

constexpr wide nano_max = static_cast<wide>(std::numeric_limits<std::int64_t>::max()) * 1'000'000'000;

wide capped(wide value) { return std::min(value, nano_max); }

struct suffix_rule {
  std::string_view text;
  int power;
};
constexpr std::array<suffix_rule, 10> decimal_suffixes{
    {{"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}}};
constexpr std::array<suffix_rule, 6> binary_suffixes{
    {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};

bool digit(char c) { return c >= '0' && c <= '9'; }

/// Digits as a whole number times 10^power; both are bounded by the caller's loops.
wide scaled(std::string_view whole, std::string_view fraction, int power, bool& inexact) {
  wide value = 0;
  // Beyond the cap further digits change nothing.
  auto push = [&](char c) { value = value > nano_max ? value : value * 10 + (c - '0'); };
  for (char c : whole) push(c);
  int shift = power + 9;
  if (value > nano_max) return shift >= 0 ? nano_max : value;
  for (char c : fraction) {
    if (value > nano_max) break;
    push(c);
    --shift;
  }
  for (; shift > 0 && value <= nano_max; --shift) value *= 10;
  for (; shift < 0; ++shift) {
    if (value % 10 != 0) inexact = true;
    value /= 10;
    if (value == 0) break;
  }
  return capped(value);
}

result<amount> binary_amount(std::string_view whole, std::string_view fraction, int power) {
  bool inexact = false;
  wide nano = scaled(whole, fraction, 0, inexact);
  for (int i = 0; i < power && nano < nano_max; ++i) nano *= 2;
  // Binary amounts are whole bytes: round up.
  constexpr wide unit = 1'000'000'000;
  nano = (nano + unit - 1) / unit * unit;
  return amount{capped(nano), style::binary};
}

result<amount> read_suffixed(std::string_view whole, std::string_view fraction, std::string_view suffix) {
  for (const auto& rule : binary_suffixes)
    if (rule.text == suffix) return binary_amount(whole, fraction, rule.power);
  for (const auto& rule : decimal_suffixes) {
    if (rule.text != suffix) continue;
    bool inexact = false;
    wide nano = scaled(whole, fraction, rule.power, inexact);
    return amount{capped(nano + (inexact ? 1 : 0)), style::decimal};
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return {errc::invalid, std::string(wrong_suffix)};
  auto digits = suffix.substr(1);
  bool minus = digits[0] == '-';
  if (digits[0] == '-' || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 3 || !std::ranges::all_of(digits, digit))
    return {errc::invalid, std::string(wrong_suffix)};
  int power = 0;
  for (char c : digits) power = power * 10 + (c - '0');
  bool inexact = false;
  wide nano = scaled(whole, fraction, minus ? -power : power, inexact);
  return amount{capped(nano + (inexact ? 1 : 0)), style::exponent};
}

result<amount> read(std::string_view text) {
  bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  auto end = std::min(text.find_first_not_of("0123456789"), text.size());
  auto whole = text.substr(0, end);
  std::string_view fraction;
  if (end < text.size() && text[end] == '.') {
    auto stop = std::min(text.find_first_not_of("0123456789", end + 1), text.size());
    fraction = text.substr(end + 1, stop - end - 1);
    end = stop;
  }
  if (whole.empty() && fraction.empty()) return {errc::invalid, std::string(wrong_format)};
  auto suffix = text.substr(end);
  if (suffix.find_first_not_of("eEinumkKMGTP+-0123456789") != std::string_view::npos)
    return {errc::invalid, std::string(wrong_format)};
  auto value = read_suffixed(whole, fraction, suffix);
  if (value && minus) value->nano = -value->nano;
  return value;
}

std::string decimal_text(wide value) {
  if (value == 0) return "0";
  bool minus = value < 0;
  std::string out;
  for (wide rest = minus ? -value : value; rest > 0; rest /= 10)
    out += static_cast<char>('0' + static_cast<int>(rest % 10));
  if (minus) out += '-';
  std::ranges::reverse(out);
  return out;
}

std::string write(const amount& from) {
  constexpr wide unit = 1'000'000'000;
  if (from.nano == 0) return "0";
  bool small = from.nano > -1024 * unit && from.nano < 1024 * unit;
  if (from.written == style::binary && !small) {
    wide value = from.nano / unit;
    std::size_t steps = 0;
    while (steps < binary_suffixes.size() && value % 1024 == 0) value /= 1024, ++steps;
    return decimal_text(value).append(steps == 0 ? "" : binary_suffixes[steps - 1].text);
  }
  wide value = from.nano;
  int power = -9;
  while (power < 18 && value % 1000 == 0) value /= 1000, power += 3;
  if (from.written == style::exponent)
    return power == 0 ? decimal_text(value) : decimal_text(value) + "e" + std::to_string(power);
  return decimal_text(value).append(decimal_suffixes[static_cast<std::size_t>((power + 9) / 3)].text);
}

}  // namespace

result<std::string> canonical_quantity(std::string_view text) {
  auto value = read(text);
  if (!value) return value.why();
  return write(*value);
}

result<std::strong_ordering> compare_quantities(std::string_view left, std::string_view right) {
  auto a = read(left), b = read(right);
  if (!a) return a.why();
  if (!b) return b.why();
  return a->nano < b->nano ? std::strong_ordering::less
         : a->nano > b->nano ? std::strong_ordering::greater : std::strong_ordering::equal;
}

result<std::int64_t> quantity_milli(std::string_view text) {
  auto value = read(text);
  if (!value) return value.why();
  wide milli = value->nano / 1'000'000 + (value->nano > 0 && value->nano % 1'000'000 != 0 ? 1 : 0);
  constexpr wide most = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp(milli, -most, most));
}

}  // namespace troupe::model
