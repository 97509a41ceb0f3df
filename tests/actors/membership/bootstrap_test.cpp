#include "actors/membership/bootstrap.hpp"

#include <doctest/doctest.h>

#include <map>

#include "basis/bytes.hpp"
#include "basis/clock.hpp"

using namespace troupe;
using namespace troupe::membership;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");

/// A disk in memory that writes at the time the test says, and fails when it says so.
class disk final : public net::files {
 public:
  struct file { std::string text; wall_time at; unsigned mode = 0; };
  std::map<std::string, file> all;
  wall_time now = noon;
  std::string unreadable;

  result<std::string> read(const std::string& path) const override {
    if (path == unreadable) return fail(errc::forbidden, path + " may not be read");
    const auto found = all.find(path);
    return found == all.end() ? result<std::string>(fail(errc::not_found)) : found->second.text;
  }
  result<void> write(const std::string& path, std::string_view text, unsigned mode) override {
    all[path] = {std::string(text), now, mode};
    return {};
  }
  result<wall_time> written_at(const std::string& path) const override {
    const auto found = all.find(path);
    return found == all.end() ? result<wall_time>(fail(errc::not_found)) : found->second.at;
  }
  void put(const std::string& path, std::string_view text, unsigned mode) { (void)write(path, text, mode); }
  result<std::vector<net::file_entry>> list(const std::string&) const override { return fail(errc::unsupported); }
  result<void> remove_tree(const std::string&) override { return fail(errc::unsupported); }
  result<void> copy(const std::string&, const std::string&) override { return fail(errc::unsupported); }
  result<std::string> sha256(const std::string&) const override { return fail(errc::unsupported); }
  bool in_use(const std::string&) const override { return false; }
  bool exists(const std::string& path) const override { return all.contains(path); }
  result<void> create(const std::string&, std::string_view, unsigned) override { return fail(errc::unsupported); }
  result<void> remove(const std::string&) override { return fail(errc::unsupported); }
  result<void> rename(const std::string&, const std::string&) override { return fail(errc::unsupported); }
  result<void> make_folder(const std::string&, unsigned) override { return {}; }
  result<duration> measure_sync(const std::string&) override { return fail(errc::unsupported); }
  result<void> link(const std::string&, const std::string&) override { return fail(errc::unsupported); }
};

json wrapped(const std::string& text, const std::string& at = "2026-11-22T12:00:00Z") { return {{"Timestamp", at}, {"Content", to_base64(text)}}; }
}  // namespace

TEST_CASE("what one server gathers makes another the same cluster, byte by byte, readable for its owner alone") {
  disk from, to;
  for (const auto& file : bootstrap_files()) from.put("/a/" + std::string(file.path), "content of " + std::string(file.field) + '\0' + "\xff\n", 0600);
  from.all.erase("/a/cred/passwd");   // what is missing is left out
  from.put("/a/other", "not of these", 0600);
  const auto data = gather_bootstrap(from, "/a");
  REQUIRE(data.ok());
  CHECK(data->size() == bootstrap_files().size() - 1);
  CHECK(dig(*data, "ServerCA", "Timestamp") == "2026-11-22T12:00:00Z");
  REQUIRE(apply_bootstrap(to, "/b", *data).ok());
  CHECK(to.all.size() == bootstrap_files().size() - 1);
  for (const auto& file : bootstrap_files()) {
    if (file.field == "PasswdFile") continue;
    const auto& got = to.all.at("/b/" + std::string(file.path));
    CHECK(got.text == from.all.at("/a/" + std::string(file.path)).text);
    CHECK(got.mode == 0600);
  }
}

TEST_CASE("a file that cannot be read ends the gathering, it is not left out") {
  disk from;
  from.put("/a/tls/server-ca.crt", "x", 0600);
  from.unreadable = "/a/tls/server-ca.key";
  CHECK(gather_bootstrap(from, "/a").code() == errc::forbidden);
  disk to;
  to.unreadable = "/b/tls/server-ca.crt";
  CHECK(apply_bootstrap(to, "/b", {{"ServerCA", wrapped("x")}}).code() == errc::forbidden);
}

TEST_CASE("an older file is replaced, one that is newer by seconds stops everything and is named") {
  const json data{{"ServerCA", wrapped("theirs")}, {"ClientCA", wrapped("theirs")}, {"ServiceKey", wrapped("theirs")}};
  disk on;
  on.now = noon + std::chrono::milliseconds(2999);
  on.put("/s/tls/server-ca.crt", "ours", 0600);
  REQUIRE(apply_bootstrap(on, "/s", data).ok());
  CHECK(on.all.at("/s/tls/server-ca.crt").text == "theirs");

  disk newer;
  newer.now = noon + std::chrono::seconds(3);
  newer.put("/s/tls/server-ca.crt", "ours", 0600);
  newer.put("/s/tls/client-ca.crt", "theirs", 0600);   // equal: its time does not matter
  const auto no = apply_bootstrap(newer, "/s", data);
  CHECK(no.code() == errc::conflict);
  CHECK(no.why().note.find("/s/tls/server-ca.crt") != std::string::npos);
  CHECK(no.why().note.find("client-ca") == std::string::npos);
  CHECK(newer.all.at("/s/tls/server-ca.crt").text == "ours");
  CHECK_FALSE(newer.exists("/s/tls/service.key"));        // nothing was touched, what is missing neither
}

TEST_CASE("whether bootstrap data can be taken is known before anything is written") {
  const json data{{"ServerCA", wrapped("theirs")}, {"PasswdFile", wrapped("theirs")}};
  disk on;
  REQUIRE(check_bootstrap(on, "/s", data).ok());
  CHECK(on.all.empty());
  on.now = noon + std::chrono::seconds(3);
  on.put("/s/cred/passwd", "ours", 0600);
  const auto no = check_bootstrap(on, "/s", data);
  CHECK(no.code() == errc::conflict);
  CHECK(no.why().note.find("/s/cred/passwd") != std::string::npos);
  CHECK(on.all.size() == 1);
  CHECK(check_bootstrap(on, "/s", json(7)).code() == errc::invalid);
}

TEST_CASE("unknown fields are passed over, and old data without times is taken") {
  disk on;
  REQUIRE(apply_bootstrap(on, "/s", {{"ServerCA", to_base64("old way")}, {"Surprise", 7}, {"../../etc/passwd", wrapped("x")}}).ok());
  CHECK(on.all.size() == 1);
  CHECK(on.all.at("/s/tls/server-ca.crt").text == "old way");
  REQUIRE(apply_bootstrap(on, "/s", json::object()).ok());
  REQUIRE(apply_bootstrap(on, "/s", {{"ServerCA", wrapped("new", "no time at all")}}).ok());
  CHECK(on.all.at("/s/tls/server-ca.crt").text == "new");
}

TEST_CASE("what is no bootstrap data is refused, and nothing of it is written") {
  for (const json& bad : {json(), json::array(), json("text"), json(7)}) {
    disk on;
    CHECK(apply_bootstrap(on, "/s", bad).code() == errc::invalid);
  }
  for (const json& field : {json(7), json(), json::object(), json::array(), json("no base64!"), json{{"Content", 7}}, json{{"Content", "no base64!"}}, json{{"Timestamp", "2026-11-22T12:00:00Z"}}}) {
    disk on;
    const auto no = apply_bootstrap(on, "/s", {{"ClientCA", wrapped("fine")}, {"ServerCA", field}});
    CHECK_MESSAGE(no.code() == errc::invalid, to_text(field));
    CHECK(no.why().note.find("ServerCA") != std::string::npos);
    CHECK(on.all.empty());
  }
}

TEST_CASE("the key of the data names the token without telling it") {
  CHECK(bootstrap_key(std::string(32, '\x01')) == "/bootstrap/010101010101");
  CHECK(bootstrap_key("") == "/bootstrap/");
}
