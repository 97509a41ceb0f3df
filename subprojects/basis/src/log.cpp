#include "basis/log.hpp"

#include <atomic>
#include <cstdio>
#include <mutex>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::log {
namespace {
std::mutex lock;  // whole lines only, whatever thread writes them
sink chosen;
std::atomic<level> least_level{level::info};

std::string_view name(level severity) {
  switch (severity) {
    case level::debug: return "debug";
    case level::info: return "info";
    case level::warn: return "warn";
    case level::error: return "error";
  }
  return "error";
}

std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_of(" =\"\\\n\r\t") == std::string::npos;
  if (plain) return text;
  return to_text(json(text));
}

std::string now() { return to_rfc3339_micro(system_wall_clock().now()); }
}  // namespace

std::string field::to_text(double v) {
  char out[32];
  std::snprintf(out, sizeof out, "%.6g", v);
  return out;
}

void set_sink(sink to) {
  const std::lock_guard guard(lock);
  chosen = std::move(to);
}

void set_level(level least) { least_level = least; }

void use_json_lines() {
  set_sink([](const record& line) {
    json out{{"time", now()}, {"level", name(line.severity)}, {"event", line.event}};
    for (const auto& f : line.fields) out[f.key] = f.value;
    const std::string text = troupe::to_text(out) + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
  });
}

std::string to_logfmt(const record& line, std::string_view time) {
  std::string out = "time=";
  out.append(time).append(" level=").append(name(line.severity)).append(" event=").append(line.event);
  for (const auto& f : line.fields) out.append(" ").append(f.key).append("=").append(quoted(f.value));
  return out;
}

void write(level severity, std::string_view event, std::initializer_list<field> fields) {
  if (severity < least_level.load(std::memory_order_relaxed)) return;
  const record line{severity, event, fields};
  const std::lock_guard guard(lock);
  if (chosen) return chosen(line);
  const std::string text = to_logfmt(line, now()) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace troupe::log
