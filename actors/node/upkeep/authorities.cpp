#include "actors/node/upkeep/authorities.hpp"

#include <charconv>

#include "actors/certificates/rotation.hpp"
#include "actors/membership/bootstrap.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

namespace troupe::node {
namespace {

constexpr const char* staged_file = "/tls-next.json";
constexpr const char* generation_field = "AuthoritiesGeneration";
constexpr const char* former_field = "FormerServerCAKey";

bool is_authority(std::string_view path) {
  if (path == certificates::service_key_path) return true;
  for (const auto base : certificates::authorities())
    if (path == std::string(base) + ".crt" || path == std::string(base) + ".key") return true;
  return false;
}

/// Older K3s wrote the content alone, without a time.
std::optional<std::string> content_of(const json& data, std::string_view field) {
  const auto found = data.find(std::string(field));
  if (found == data.end()) return std::nullopt;
  const auto& content = found->is_object() ? dig(*found, "Content") : *found;
  std::string out;
  if (!content.is_string() || !from_base64(text_or(content), out)) return std::nullopt;
  return out;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t out = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}
std::uint64_t generation_of(const json& data) {
  const auto text = data.is_object() ? content_of(data, generation_field) : std::nullopt;
  return text ? number_of(*text) : 0;
}

/// The authorities in bootstrap data, by path.
result<certificates::authority_files> authorities_in(const json& data) {
  if (!data.is_object()) return fail(errc::invalid, "the body is no object of files as bootstrap data has them");
  certificates::authority_files out;
  for (const auto& file : membership::bootstrap_files()) {
    if (!is_authority(file.path) || !data.contains(std::string(file.field))) continue;
    auto text = content_of(data, file.field);
    if (!text) return fail(errc::invalid, "the field " + std::string(file.field) + " cannot be read: it needs a \"Content\" in base64");
    if (!text->empty()) out.emplace(std::string(file.path), std::move(*text));   // K3s sends empty ones for files that it does not have
  }
  return out;
}
result<certificates::authority_files> authorities_on(const net::files& from, const std::string& folder) {
  const auto all = membership::gather_bootstrap(from, folder);
  if (!all.ok()) return all.why();
  return authorities_in(*all);
}

json wrapped(std::string_view text, wall_time now) { return {{"Timestamp", to_rfc3339(now)}, {"Content", to_base64(text)}}; }

/// The authorities' fields alone, with their generation.
json authority_fields(const json& data) {
  json out = json::object();
  for (const auto& file : membership::bootstrap_files()) {
    const std::string field(file.field);
    if ((is_authority(file.path) || field == generation_field || field == former_field) && data.contains(field)) out[field] = data[field];
  }
  return out;
}

}  // namespace

result<json> judge_authorities(const rt::world& in, const std::string& folder, const json& offered, bool force) {
  auto next = authorities_in(offered);
  if (!next.ok()) return next.why();
  if (next->empty()) return fail(errc::invalid, "there is no authority among the files that were offered: they are tls/server-ca.crt, tls/server-ca.key and so on");
  const auto all = membership::gather_bootstrap(*in.files, folder);
  if (!all.ok()) return all.why();
  const auto present = authorities_in(*all);
  if (!present.ok()) return present.why();
  const auto now = in.wall->now();
  auto replaced = certificates::judge_replacement(*in.issuer, now, *present, *next, force);
  if (!replaced.ok()) return replaced.why();
  const auto waits = staged_authorities(*in.files, folder);
  if (!waits.is_null() && !force)
    return fail(errc::conflict, "other authorities wait for this server's restart already: restart the servers first (--force puts these in their place)");
  json out = json::object();
  for (const auto& file : membership::bootstrap_files())
    if (const auto found = replaced->find(std::string(file.path)); found != replaced->end()) out[std::string(file.field)] = wrapped(found->second, now);
  if (const auto key = present->find("tls/server-ca.key"); key != present->end() && replaced->contains("tls/server-ca.key")) out[former_field] = wrapped(key->second, now);
  out[generation_field] = wrapped(std::to_string(std::max(generation_of(*all), generation_of(waits)) + 1), now);
  return out;
}

json staged_authorities(const net::files& from, const std::string& folder) {
  const auto text = from.read(folder + staged_file);
  auto read = text.ok() ? parse_json(*text) : result<json>(text.why());
  return read.ok() && read->is_object() ? std::move(*read) : json();
}

result<void> stage_authorities(net::files& to, const std::string& folder, const json& replaced) {
  return to.write(folder + staged_file, to_text(replaced), 0600);
}

bool shares_authorities(const net::files& from, const std::string& folder, const json& data) {
  for (const auto& file : membership::bootstrap_files()) {
    const bool former = file.field == former_field;
    if (!former && !(is_authority(file.path) && file.path.ends_with(".key"))) continue;
    const auto theirs = content_of(data, file.field);
    const auto ours = from.read(folder + "/" + (former ? "tls/server-ca.key" : std::string(file.path)));
    if (theirs && ours.ok() && !theirs->empty() && *theirs == *ours) return true;
  }
  return false;
}

result<void> forget_staged(net::files& files, const std::string& folder) { return files.remove(folder + staged_file); }

result<bool> adopt_authorities(const rt::world& in, const std::string& folder) {
  auto& files = *in.files;
  if (!files.exists(folder + staged_file)) return false;
  const auto waits = staged_authorities(files, folder);
  if (waits.is_null()) return fail(errc::corrupt, folder + staged_file + " cannot be read: remove it, and ask for the new authorities again (`troupe certificate rotate-ca`)");
  const auto stamp = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(in.wall->now().time_since_epoch()).count());
  const auto aside = folder + "/tls-" + stamp;
  if (files.exists(folder + "/tls") && !files.exists(aside))
    if (auto kept = files.copy(folder + "/tls", aside); !kept.ok()) return kept.why();
  for (const auto& file : membership::bootstrap_files()) {
    const auto text = content_of(waits, file.field);
    if (!text || authority_fields({{std::string(file.field), true}}).empty()) continue;
    if (auto written = files.write(folder + "/" + std::string(file.path), *text, 0600); !written.ok()) return written.why();
  }
  if (auto done = forget_staged(files, folder); !done.ok()) return done.why();
  log::warn("node.authorities_replaced", {{"generation", generation_of(waits)}, {"former", aside}});
  return true;
}

result<secrets::heard> take_authorities(net::files& files, const std::string& folder, const json& data) {
  const auto theirs = authorities_in(data);
  if (!theirs.ok()) return theirs.why();
  const auto own = authorities_on(files, folder);
  if (!own.ok()) return own.why();
  const auto kept = files.read(folder + "/cred/authorities-generation");
  const auto here = kept.ok() ? number_of(*kept) : 0, there = generation_of(data);
  if (there < here) return secrets::heard::stale;
  bool differs = false;
  for (const auto& [path, text] : *theirs) {
    const auto found = own->find(path);
    differs = differs || found == own->end() || found->second != text;
  }
  // Without a number they are of a time before all this: what differs then is judged where data is applied.
  if (there == 0 || !differs) return secrets::heard::known;
  const auto next = authority_fields(data), waits = staged_authorities(files, folder);
  if (generation_of(waits) > there || waits == next) return secrets::heard::known;
  if (auto done = stage_authorities(files, folder, next); !done.ok()) return done.why();
  return secrets::heard::staged;
}

secrets::other_seals seals_beside(const rt::world& in, const std::string& folder, secret_text (*seal)(net::tls::issuer& issuer, const secret_text& ca_key)) {
  return [files = in.files, issuer = in.issuer, folder, seal] {
    std::vector<secrets::other_seal> out;
    if (const auto waits = staged_authorities(*files, folder); !waits.is_null())
      if (const auto key = content_of(waits, "ServerCAKey")) out.push_back({seal(*issuer, secret_text(*key)), false});
    if (const auto former = files->read(folder + "/cred/former-server-ca.key"); former.ok()) out.push_back({seal(*issuer, secret_text(*former)), true});
    return out;
  };
}

std::function<result<void>(const json& offered, bool force)> authority_changer(const rt::world& in, const std::string& folder) {
  return [world = &in, folder](const json& offered, bool force) -> result<void> {
    const auto files = judge_authorities(*world, folder, offered, force);
    if (!files.ok()) return files.why();
    return stage_authorities(*world->files, folder, *files);
  };
}

}  // namespace troupe::node
