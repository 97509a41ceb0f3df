#include "actors/secrets/vault.hpp"

#include <algorithm>
#include <map>

#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/datastore/shard.hpp"
#include "basis/bytes.hpp"
#include "tests/actors/secrets/kept_files.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::secrets;
using testing::kept_files;
using testing::stage;

namespace {

/// A vault, a keeper of Secrets and a store; a second one on the same disk and files is their next life.
struct rig {
  explicit rig(kept_files& on_files, std::shared_ptr<storage::memory_disk> on_disk) : files(on_files), disk(std::move(on_disk)) {
    on.world.files = &files;
    shard = on.show(datastore::make_shard(on.world, {}, storage::make_memory_engine(disk, [this](task what) { on.run.plan().in(1ms, std::move(what)); })));
    std::optional<encryption> now;
    if (const auto text = files.read("/s" + std::string(config_file)); text.ok()) now = *parse_encryption(*text);
    apiserver::keeper_config with;
    with.kind = apiserver::schema::find("", "v1", "secrets");
    with.envelope = envelope_of(now ? &*now : nullptr);
    keeper = on.show(apiserver::make_kind_keeper(on.world, std::move(with), datastore::writer_actor(shard)));
    heard = std::make_shared<std::vector<apiserver::changes_applied>>();
    REQUIRE(on.ask<model::revision_number>(keeper, apiserver::start_keeping{testing::make_listener<apiserver::change_sink_actor, apiserver::changes_applied>(on, heard)}).ok());
    caf::anon_send(keeper, apiserver::namespaces_changed{std::make_shared<const std::map<std::string, bool, std::less<>>>(std::map<std::string, bool, std::less<>>{{"d", true}})});
    vault = on.show(make_vault(on.world, {"/s", std::move(now)}, caf::actor_cast<rewriter_actor>(keeper)));
    on.settle();
    on.run.run_for(1s);
  }
  void write(const std::string& name, const std::string& value) {
    auto to = apiserver::route("POST", "/api/v1/namespaces/d/secrets", "");
    const auto body = to_text({{"metadata", {{"name", name}}}, {"stringData", {{"k", value}}}});
    const auto got = on.ask<apiserver::written>(keeper, apiserver::write_object{std::make_shared<const apiserver::target>(std::get<apiserver::target>(to)), body, "application/json", {"admin", {"system:masters"}}});
    REQUIRE(got.ok());
    REQUIRE(got->created);
    on.settle();
  }
  result<json> change(json wanted) {
    auto got = on.ask<encryption_told>(vault, change_encryption{std::move(wanted)});
    if (!got.ok()) return got.why();
    return got->status;
  }
  json status() { return on.ask<encryption_told>(vault, tell_encryption{})->status; }
  /// What lies in the store now, by key.
  std::map<std::string, std::string> stored() {
    std::map<std::string, std::string> out;
    auto published = std::make_shared<std::vector<datastore::changes_published>>();
    const auto page = on.ask<storage::page>(shard, datastore::follow_prefix{"/registry/secrets/", testing::make_listener<datastore::follower_actor, datastore::changes_published>(on, published)});
    REQUIRE(page.ok());
    for (const auto& record : page->records) out[record.key] = record.value.str(), at[record.key] = record.modified;
    return out;
  }
  /// Somebody with access to the store writes into it.
  void tamper(const std::string& key, std::string value) {
    const auto got = on.ask<storage::outcome>(shard, datastore::commit_operation{{storage::operation::kind::update, key, bytes(std::move(value)), at.at(key)}});
    REQUIRE(got.ok());
    REQUIRE(got->what == storage::outcome::kind::committed);
    on.settle();
  }
  std::size_t stored_with(const std::string& prefix) {
    std::size_t n = 0;
    for (const auto& [key, value] : stored()) n += value.starts_with(prefix);
    return n;
  }
  const model::snapshot& seen() const { return heard->back().all; }

  kept_files& files;
  std::shared_ptr<storage::memory_disk> disk;
  stage on;
  datastore::shard_actor shard;
  apiserver::kind_keeper_actor keeper;
  vault_actor vault;
  std::shared_ptr<std::vector<apiserver::changes_applied>> heard;
  std::map<std::string, storage::revision> at;   ///< Where stored() saw each key.
};

const std::string config_path = "/s" + std::string(config_file), cipher = "k8s:enc:aescbc:v1:";
const json enable{{"enable", true}}, disable{{"enable", false}}, rotate{{"stage", "rotate_keys"}};
std::shared_ptr<storage::memory_disk> new_disk() { return std::make_shared<storage::memory_disk>(); }
std::string value_of(const rig& r, const std::string& key) {
  const auto found = r.seen().find(key);
  std::string plain;
  if (found) from_base64(text_or(dig(model::parse(*found), "data", "k")), plain);
  return plain;
}
}  // namespace

TEST_CASE("switching encryption on stores those Secrets that there are encrypted as well, and the next life reads them all") {
  kept_files files;
  const auto disk = new_disk();
  {
    rig r(files, disk);
    for (int i = 0; i < 150; ++i) r.write("s" + std::to_string(i), "value" + std::to_string(i));
    CHECK(r.stored_with(cipher) == 0);
    CHECK(r.status().contains("enable") == false);
    const auto status = r.change(enable);
    REQUIRE(status.ok());
    CHECK((*status)["enable"] == true);
    CHECK((*status)["stage"] == "reencrypt_finished");
    CHECK((*status)["activekey"] == "aescbckey");
    CHECK((*status)["hashmatch"] == true);
    CHECK(r.stored_with(cipher + "aescbckey:") == 150);
    r.write("later", "new");
    CHECK(r.stored_with(cipher) == 151);
    CHECK(value_of(r, "d/s149") == "value149");
    CHECK(files.modes[config_path] == 0600);
  }
  rig next(files, disk);
  CHECK(value_of(next, "d/s7") == "value7");
  CHECK(value_of(next, "d/later") == "new");
  CHECK(next.stored_with(cipher) == 151);
}

TEST_CASE("a restart with nothing to do writes nothing") {
  kept_files files;
  const auto disk = new_disk();
  {
    rig r(files, disk);
    r.write("a", "1");
    REQUIRE(r.change(enable).ok());
  }
  std::map<std::string, storage::revision> first;
  {
    rig next(files, disk);
    next.stored();
    first = next.at;
  }
  rig again(files, disk);
  again.stored();
  CHECK(again.at == first);
}

TEST_CASE("rotating leaves every Secret under the new key, and no trace of the old one in the configuration") {
  kept_files files;
  rig r(files, new_disk());
  for (int i = 0; i < 70; ++i) r.write("s" + std::to_string(i), "v");
  REQUIRE(r.change(enable).ok());
  const auto old = to_base64(parse_encryption(files.all[config_path])->keys[0].key.reveal());
  const auto status = r.change(rotate);
  REQUIRE(status.ok());
  const std::string active = (*status)["activekey"];
  CHECK(active.starts_with("aescbckey-2026-11-22T07:"));
  CHECK_FALSE(status->contains("inactivekeys"));
  CHECK(r.stored_with(cipher + active + ":") == 70);
  CHECK(r.stored_with(cipher + "aescbckey:") == 0);
  CHECK(files.all[config_path].find(old) == std::string::npos);
  CHECK(r.change(rotate).ok());
  CHECK(value_of(r, "d/s3") == "v");
}

TEST_CASE("a rotation that a crash cut off is finished by the next life") {
  kept_files files;
  const auto disk = new_disk();
  std::optional<encryption> before;
  {
    rig r(files, disk);
    for (int i = 0; i < 5; ++i) r.write("s" + std::to_string(i), "v");
    REQUIRE(r.change(enable).ok());
    before = *parse_encryption(files.all[config_path]);
    // As far as the crash let it come: the new key is on disk, nothing is stored under it, the state is of before.
    before->keys.insert(before->keys.begin(), {"aescbckey-new", secret_text(std::string(32, 'n'))});
    files.all[config_path] = render_encryption(*before);
    CHECK(r.status()["hashmatch"] == false);
  }
  rig next(files, disk);
  CHECK(next.stored_with(cipher + "aescbckey-new:") == 5);
  CHECK(parse_encryption(files.all[config_path])->keys.size() == 1);
  CHECK(next.status()["stage"] == "reencrypt_finished");
  CHECK(next.status()["hashmatch"] == true);
  CHECK(value_of(next, "d/s4") == "v");
}

TEST_CASE("switching encryption off stores every Secret plain again") {
  kept_files files;
  rig r(files, new_disk());
  CHECK(r.change(disable).code() == errc::invalid);
  CHECK(r.change(rotate).code() == errc::invalid);
  CHECK(r.change(json{{"stage", "prepare"}}).code() == errc::invalid);
  REQUIRE(r.change(enable).ok());
  r.write("a", "1");
  const auto status = r.change(disable);
  REQUIRE(status.ok());
  CHECK((*status)["enable"] == false);
  CHECK(r.stored_with(cipher) == 0);
  CHECK(r.change(rotate).code() == errc::invalid);
}

TEST_CASE("altered and exchanged values are refused one by one, and the old keys stay as long as something cannot be read") {
  kept_files files;
  const auto disk = new_disk();
  {
    rig r(files, disk);
    for (const char* name : {"bent", "good", "swapped"}) r.write(name, name);
    REQUIRE(r.change(enable).ok());
    const auto there = r.stored();
    auto bent = there.at("/registry/secrets/d/bent");
    bent[bent.size() - 20] = static_cast<char>(bent[bent.size() - 20] ^ 0x55);
    r.tamper("/registry/secrets/d/bent", bent);
    r.tamper("/registry/secrets/d/swapped", there.at("/registry/secrets/d/good"));
    CHECK(std::count(r.on.said.begin(), r.on.said.end(), "apiserver.object_unreadable") == 2);
    CHECK(value_of(r, "d/good") == "good");
  }
  rig next(files, disk);
  CHECK(next.seen().size() == 1);
  CHECK(value_of(next, "d/good") == "good");
  const auto got = next.change(rotate);
  REQUIRE(!got.ok());
  CHECK(got.code() == errc::corrupt);
  CHECK(parse_encryption(files.all[config_path])->keys.size() == 2);
  CHECK(next.status()["inactivekeys"].size() == 1);
}

TEST_CASE("a key that cannot be kept is never used") {
  kept_files files;
  rig r(files, new_disk());
  r.write("a", "1");
  files.full = true;
  CHECK_FALSE(r.change(enable).ok());
  r.write("b", "2");
  CHECK(r.stored_with(cipher) == 0);
  files.full = false;
  CHECK(r.change(enable).ok());
  CHECK(r.stored_with(cipher) == 2);
}
