// SPDX-License-Identifier: Apache-2.0
//
// The API v2 over a real Notifier on virtual time, and what it says against the OpenAPI contract.
#include "web/alertmanager_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "notifier/matchers.h"

namespace tocsin::web {
namespace {

using base::JsonValue;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AlertmanagerApiTest : public ::testing::Test {
 protected:
  AlertmanagerApiTest() {
    http_.set_responder([](const net::ClientRequest&) -> StatusOr<net::ClientResponse> {
      net::ClientResponse response;
      response.status = 200;
      return response;
    });
    notifier::NotifierOptions options;
    options.directory = "state";
    options.external_url = "http://am.example:9093";
    auto opened = notifier::Notifier::open(options, {.clock = clock_,
                                                     .timers = clock_,
                                                     .workers = executor_,
                                                     .files = *files_,
                                                     .metrics = metrics_,
                                                     .http = http_,
                                                     .mail = mail_,
                                                     .events = nullptr});
    EXPECT_TRUE(opened.ok());
    notifier_ = *std::move(opened);
    EXPECT_EQ(notifier_->apply(config()), ok());
    BuildInfo build;
    build.version = "0.34.0";
    add_alertmanager_api(router_, {clock_, *notifier_, metrics_, build});
  }

  // Alerts of team=db go to "db", all others to "ops"; both are webhooks.
  static notifier::NotifierConfig config() {
    notifier::NotifierConfig config;
    for (const char* name : {"ops", "db"}) {
      notifier::WebhookOptions webhook;
      webhook.url.value = fmt::format("http://{}.example/", name);
      webhook.http = std::make_shared<net::HttpClientOptions>();
      config.receivers.push_back({name, {webhook}});
    }
    config.route.receiver = "ops";
    config.route.group_by = {"alertname"};
    notifier::RouteOptions db = config.route;
    db.receiver = "db";
    db.matchers = *notifier::parse_matchers("team=db");
    config.route.routes.push_back(db);
    notifier::InhibitOptions inhibit;
    inhibit.source = *notifier::parse_matchers("severity=critical");
    inhibit.target = *notifier::parse_matchers("severity=warning");
    inhibit.equal = {"host"};
    config.inhibit_rules.push_back(inhibit);
    config.original = "route:\n  receiver: ops\n";
    return config;
  }

  net::HttpResponse call(std::string method, std::string_view target, std::string body = "",
                         std::string_view type = "application/json") {
    net::HttpRequest request;
    request.method = std::move(method);
    EXPECT_EQ(request.set_target(fmt::format("/api/v2/{}", target)), ok()) << target;
    request.body = std::move(body);
    if (!type.empty()) request.headers.set("Content-Type", type);
    net::HttpResponse response = router_.route(std::move(request));
    if (response.status < 404) {
      EXPECT_EQ(response.headers.get("Cache-Control"), "no-store") << target;
    }
    return response;
  }
  std::string get(std::string_view target) { return text(call("GET", target)); }
  std::string post(std::string_view target, std::string body) {
    return text(call("POST", target, std::move(body)));
  }
  // "STATUS BODY" without the newline in the end.
  static std::string text(net::HttpResponse response) {
    if (response.body.ends_with('\n')) response.body.pop_back();
    return fmt::format("{} {}", response.status, response.body);
  }
  JsonValue json(std::string_view target) {
    const net::HttpResponse response = call("GET", target);
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
    StatusOr<JsonValue> value = base::parse_json(response.body);
    EXPECT_TRUE(value.ok()) << response.body;
    return value.ok() ? *value : JsonValue();
  }
  // A copy, which a loop may go over.
  std::vector<JsonValue> list(std::string_view target) { return json(target).items(); }
  // The alertname of every alert in the answer.
  std::string names(std::string_view parameters) {
    std::vector<std::string> found;
    for (const JsonValue& alert : list(fmt::format("alerts{}", parameters)))
      found.push_back(alert.find("labels")->find("alertname")->string());
    std::sort(found.begin(), found.end());
    std::string joined;
    for (const std::string& name : found) joined.append(joined.empty() ? "" : " ").append(name);
    return joined;
  }

  void post_alerts() {
    EXPECT_EQ(post("alerts", R"([
      {"labels":{"alertname":"Disk","host":"a","severity":"critical"},"annotations":{"summary":"full"},
       "startsAt":"2023-11-14T22:13:20Z","generatorURL":"http://prom/graph?g0.expr=up%7B%7D"},
      {"labels":{"alertname":"Load","host":"a","severity":"warning"}},
      {"labels":{"alertname":"Slow","host":"b","severity":"warning","team":"db"}}])"),
              "200 ");
  }
  // Makes a silence of one hour; returns its id.
  std::string silence(std::string_view name, std::string_view value,
                      std::string_view start = "22:13:20", std::string_view end = "23:13:20") {
    const net::HttpResponse response = call(
        "POST", "silences",
        fmt::format(
            R"({{"matchers":[{{"name":"{}","value":"{}","isRegex":false}}],"startsAt":"2023-11-14T{}Z",)"
            R"("endsAt":"2023-11-14T{}Z","createdBy":"me","comment":"why"}})",
            name, value, start, end));
    EXPECT_EQ(response.status, 200) << response.body;
    return base::parse_json(response.body)->find("silenceID")->string();
  }

  base::testing::FakeClock clock_;  // 2023-11-14T22:13:20Z
  base::testing::InlineExecutor executor_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  base::Registry metrics_;
  net::testing::FakeHttpClient http_;
  net::testing::FakeMailSender mail_;
  std::unique_ptr<notifier::Notifier> notifier_;
  net::Router router_;
};

TEST_F(AlertmanagerApiTest, AlertsComeBackAsPosted) {
  EXPECT_EQ(get("alerts"), "200 []");
  EXPECT_EQ(
      post(
          "alerts",
          R"([{"labels":{"alertname":"Disk","empty":""},"annotations":{"summary":"full","":""},)"
          R"("startsAt":"2023-11-14T22:10:00.25+01:00","endsAt":"2023-11-14T23:00:00Z","generatorURL":"http://p/g"}])"),
      "200 ");
  EXPECT_EQ(
      get("alerts"),
      R"(200 [{"annotations":{"summary":"full"},"endsAt":"2023-11-14T23:00:00.000Z","fingerprint":")" +
          fmt::format("{:016x}", model::Labels::of({{"alertname", "Disk"}}).fingerprint()) +
          R"(","receivers":[{"name":"ops"}],"startsAt":"2023-11-14T21:10:00.250Z",)"
          R"("status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},)"
          R"("updatedAt":"2023-11-14T22:13:20.000Z","generatorURL":"http://p/g","labels":{"alertname":"Disk"}}])");
}

TEST_F(AlertmanagerApiTest, AlertsAreFiltered) {
  post_alerts();
  clock_.advance(std::chrono::seconds(31));  // the groups were flushed once
  silence("alertname", "Slow");
  const std::pair<std::string, std::string> cases[] = {
      {"", "Disk Load Slow"},
      {"?filter=severity=warning", "Load Slow"},
      {"?filter=severity=warning&filter=host=%22a%22", "Load"},
      {"?filter=severity=~%22c.*%22", "Disk"},
      {"?filter=team!=db", "Disk Load"},
      {"?filter=team=%22%22", "Disk Load"},
      {"?receiver=db", "Slow"},
      {"?receiver=d", ""},
      {"?receiver=d.%7Cops", "Disk Load Slow"},
      {"?active=false", "Load Slow"},
      {"?silenced=false", "Disk Load"},
      {"?inhibited=false", "Disk Slow"},
      {"?active=false&silenced=0&inhibited=no", ""},
      {"?active=true&silenced=YES&inhibited=1&unprocessed=false", "Disk Load Slow"},
  };
  for (const auto& [parameters, expected] : cases)
    EXPECT_EQ(names(parameters), expected) << parameters;
}

TEST_F(AlertmanagerApiTest, ResolvedAlertsAreHidden) {
  post_alerts();
  EXPECT_EQ(
      post(
          "alerts",
          R"([{"labels":{"alertname":"Load","host":"a","severity":"warning"},"endsAt":"2023-11-14T22:13:20Z"}])"),
      "200 ");
  EXPECT_EQ(names(""), "Disk Slow");
  clock_.advance(std::chrono::minutes(6));
  EXPECT_EQ(names(""), "") << "nobody said again that they fire";
}

TEST_F(AlertmanagerApiTest, SuppressedAlertsSayByWhat) {
  post_alerts();
  clock_.advance(std::chrono::seconds(31));
  const std::string id = silence("alertname", "Slow");
  const JsonValue slow = json("alerts?filter=alertname=Slow").items().at(0);
  EXPECT_EQ(slow.find("status")->find("state")->string(), "suppressed");
  EXPECT_EQ(slow.find("status")->find("silencedBy")->items().at(0).string(), id);
  const JsonValue load = json("alerts?filter=alertname=Load").items().at(0);
  const JsonValue disk = json("alerts?filter=alertname=Disk").items().at(0);
  EXPECT_EQ(load.find("status")->find("state")->string(), "suppressed");
  EXPECT_EQ(load.find("status")->find("inhibitedBy")->items().at(0).string(),
            disk.find("fingerprint")->string());
  EXPECT_EQ(disk.find("status")->find("state")->string(), "active");
}

TEST_F(AlertmanagerApiTest, BadAlertsAreRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"", R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because )"},
      {"[{]", R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because )"},
      {"{}", R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because )"},
      {"[7]", R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because )"},
      {R"([{"labels":"x"}])",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because labels must be )"},
      {R"([{"labels":{"a":1}}])",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because labels.a must be )"},
      {R"([{"labels":{"a":"b"},"startsAt":"now"}])",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because startsAt: parsing time \"now\")"},
      {"[{}]", R"(422 {"code":602,"message":"0.labels in body is required"})"},
      {R"([{"labels":{"a":"b"}},{"annotations":{}}])",
       R"(422 {"code":602,"message":"1.labels in body is required"})"},
      {R"([{"labels":{"a":"b"},"generatorURL":"nowhere"}])",
       R"(422 {"code":601,"message":"0.generatorURL in body must be of type uri: \"nowhere\""})"},
      {R"([{"labels":{}}])", "400 \""},
      {R"([{"labels":{"a":"b"},"startsAt":"2023-11-14T22:13:20Z","endsAt":"2023-11-14T22:00:00Z"}])",
       "400 \""},
  };
  for (const auto& [body, expected] : cases)
    EXPECT_THAT(post("alerts", body), StartsWith(expected)) << body;
  EXPECT_EQ(get("alerts"), "200 []") << "nothing of them is kept";
  EXPECT_EQ(
      text(call("POST", "alerts", "[]", "text/plain")),
      R"(415 {"code":415,"message":"unsupported media type \"text/plain\", only [application/json] are allowed"})");
  EXPECT_EQ(text(call("POST", "alerts", "[]", "application/json; charset=utf-8")), "200 ");
  EXPECT_EQ(text(call("POST", "alerts", "[]", "")), "200 ");
}

TEST_F(AlertmanagerApiTest, BadFiltersAreRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"alerts?filter=%7B", "400 \"unexpected open or close brace: {"},
      {"alerts?filter=a=~%22(%22", "400 \""},
      {"alerts?receiver=(", "400 \"failed to parse receiver param: "},
      {"alerts/groups?filter=%7B", "400 \"unexpected open or close brace: {"},
      {"alerts/groups?receiver=(", "400 \"failed to parse receiver param: "},
      {"silences?filter=%7B", "400 \"unexpected open or close brace: {"},
  };
  for (const auto& [target, expected] : cases)
    EXPECT_THAT(get(target), StartsWith(expected)) << target;
}

TEST_F(AlertmanagerApiTest, GroupsAreByRouteAndLabels) {
  EXPECT_EQ(get("alerts/groups"), "200 []");
  post_alerts();
  clock_.advance(std::chrono::seconds(31));
  const auto groups = [this](std::string_view parameters) {
    std::string out;
    for (const JsonValue& group : list(fmt::format("alerts/groups{}", parameters))) {
      out += fmt::format("{}/{}:{} ", group.find("receiver")->find("name")->string(),
                         group.find("labels")->find("alertname")->string(),
                         group.find("alerts")->items().size());
    }
    return out;
  };
  EXPECT_EQ(groups(""), "ops/Disk:1 ops/Load:1 db/Slow:1 ");
  EXPECT_EQ(groups("?receiver=db"), "db/Slow:1 ");
  EXPECT_EQ(groups("?filter=host=a&inhibited=false"), "ops/Disk:1 ");
  EXPECT_EQ(groups("?filter=host=none"), "");
}

TEST_F(AlertmanagerApiTest, ASilenceIsMadeReadUpdatedAndExpired) {
  const std::string id = silence("alertname", "Disk");
  EXPECT_EQ(
      get("silence/" + id),
      fmt::format(
          R"(200 {{"id":"{}","status":{{"state":"active"}},"updatedAt":"2023-11-14T22:13:20.000Z","annotations":{{}},)"
          R"("comment":"why","createdBy":"me","endsAt":"2023-11-14T23:13:20.000Z",)"
          R"("matchers":[{{"isEqual":true,"isRegex":false,"name":"alertname","value":"Disk"}}],)"
          R"("startsAt":"2023-11-14T22:13:20.000Z"}})",
          id));
  EXPECT_EQ(get("silences"), "200 [" + get("silence/" + id).substr(4) + "]");

  const auto update = [](std::string_view silence_id, std::string_view end) {
    return fmt::format(
        R"({{"id":"{}","matchers":[{{"name":"alertname","value":"Disk","isRegex":false}}],)"
        R"("startsAt":"2023-11-14T22:13:20Z","endsAt":"{}","createdBy":"me","comment":"longer"}})",
        silence_id, end);
  };
  EXPECT_EQ(post("silences", update(id, "2023-11-15T00:00:00Z")),
            fmt::format(R"(200 {{"silenceID":"{}"}})", id));
  EXPECT_THAT(get("silence/" + id), HasSubstr(R"("comment":"longer")"));
  EXPECT_THAT(
      post("silences", update("00000000-0000-4000-8000-000000000000", "2023-11-15T00:00:00Z")),
      StartsWith("404 \""));

  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(text(call("DELETE", "silence/" + id)), "200 ");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_THAT(get("silence/" + id), HasSubstr(R"("status":{"state":"expired"})"));
}

TEST_F(AlertmanagerApiTest, SilencesAreOrderedAndFiltered) {
  const std::string later = silence("a", "1", "22:30:00", "23:30:00");
  const std::string longer = silence("a", "1", "22:00:00", "23:40:00");
  const std::string shorter = silence("b", "2", "22:00:00", "23:00:00");
  const std::string ended = silence("a", "1", "22:00:00", "23:50:00");
  ASSERT_EQ(text(call("DELETE", "silence/" + ended)), "200 ");
  clock_.advance(std::chrono::seconds(1));
  const auto ids = [this](std::string_view parameters) {
    std::string out;
    for (const JsonValue& s : list(fmt::format("silences{}", parameters)))
      out += s.find("id")->string() + " ";
    return out;
  };
  EXPECT_EQ(ids(""), fmt::format("{} {} {} {} ", shorter, longer, later, ended));
  EXPECT_EQ(ids("?expired=false"), fmt::format("{} {} {} ", shorter, longer, later));
  EXPECT_EQ(ids("?active=false&pending=false"), ended + " ");
  EXPECT_EQ(ids("?filter=a=1&expired=false"), fmt::format("{} {} ", longer, later));
  EXPECT_EQ(ids("?filter=a=~1"), "") << "a filter is an identical matcher";
}

TEST_F(AlertmanagerApiTest, BadSilencesAreRefused) {
  // What each case changes in a good body.
  const auto body = [](std::string_view matchers, std::string_view start, std::string_view rest) {
    return fmt::format(R"({{"matchers":{},"startsAt":{},{}}})", matchers, start, rest);
  };
  const std::string good = R"([{"name":"a","value":"1","isRegex":false}])";
  const std::string start = R"("2023-11-14T22:13:20Z")";
  const std::string rest = R"("endsAt":"2023-11-14T23:00:00Z","createdBy":"me","comment":"why")";
  ASSERT_THAT(post("silences", body(good, start, rest)), StartsWith("200 "));
  const std::string parsing =
      R"(400 {"code":400,"message":"parsing silence body from \"\" failed, because )";
  const std::pair<std::string, std::string> cases[] = {
      {"", parsing},
      {"{", parsing},
      {"[]", parsing},
      {body(good, "7", rest), parsing},
      {body(good, R"("noon")", rest), parsing},
      {body("7", start, rest), parsing},
      {body(R"([{"name":1,"value":"1","isRegex":false}])", start, rest), parsing},
      {body(R"([{"name":"a","value":"1","isRegex":"no"}])", start, rest), parsing},
      {body("[]", start, rest),
       R"(422 {"code":612,"message":"matchers in body should have at least 1 items"})"},
      {body("null", start, rest), R"(422 {"code":602,"message":"matchers in body is required"})"},
      {body(good, "null", rest), R"(422 {"code":602,"message":"startsAt in body is required"})"},
      {body(good, start, R"("createdBy":"me","comment":"why")"),
       R"(422 {"code":602,"message":"endsAt in body is required"})"},
      {body(good, start, R"("endsAt":"2023-11-14T23:00:00Z","comment":"why")"),
       R"(422 {"code":602,"message":"createdBy in body is required"})"},
      {body(good, start, R"("endsAt":"2023-11-14T23:00:00Z","createdBy":"me")"),
       R"(422 {"code":602,"message":"comment in body is required"})"},
      {body(R"([{"value":"1","isRegex":false}])", start, rest),
       R"(422 {"code":602,"message":"matchers.0.name in body is required"})"},
      {body(R"([{"name":"a","value":"1"}])", start, rest),
       R"(422 {"code":602,"message":"matchers.0.isRegex in body is required"})"},
      {body(R"([{"name":"a","value":"(","isRegex":true}])", start, rest),
       R"(400 "invalid silence: invalid label matcher 0: )"},
      {body(R"([{"name":"a","value":".*","isRegex":true}])", start, rest), "400 \""},
      {body(good, R"("2023-11-14T23:00:00Z")", rest),
       R"(400 "Failed to create silence: start time must be before end time")"},
      {body(good, R"("2023-11-14T20:00:00Z")",
            R"("endsAt":"2023-11-14T21:00:00Z","createdBy":"me","comment":"why")"),
       R"(400 "Failed to create silence: end time can't be in the past")"},
  };
  for (const auto& [json_text, expected] : cases)
    EXPECT_THAT(post("silences", json_text), StartsWith(expected)) << json_text;
  EXPECT_EQ(
      call("POST", "silences", body(good, start, rest), "application/x-www-form-urlencoded").status,
      415);
}

TEST_F(AlertmanagerApiTest, UnknownSilences) {
  const std::string unknown = "silence/00000000-0000-4000-8000-000000000000";
  EXPECT_EQ(get(unknown), "404 ");
  EXPECT_EQ(text(call("DELETE", unknown)), "404 ");
  for (const char* method : {"GET", "DELETE"}) {
    EXPECT_EQ(text(call(method, "silence/nope")),
              R"(422 {"code":601,"message":"silenceID in path must be of type uuid: \"nope\""})");
  }
}

TEST_F(AlertmanagerApiTest, ReceiversAndStatus) {
  EXPECT_EQ(get("receivers"), R"(200 [{"name":"ops"},{"name":"db"}])");
  EXPECT_EQ(
      get("status"),
      R"(200 {"cluster":{"status":"disabled","peers":[]},"config":{"original":"route:\n  receiver: ops\n"},)"
      R"("uptime":"2023-11-14T22:13:20.000Z","versionInfo":{"branch":"main","buildDate":"unknown","buildUser":"tocsin",)"
      R"("goVersion":"c++20","revision":"unknown","version":"0.34.0"}})");
}

TEST_F(AlertmanagerApiTest, UnknownPathsAndMethods) {
  EXPECT_EQ(call("GET", "nothing").status, 404);
  EXPECT_EQ(call("DELETE", "alerts").status, 405);
  EXPECT_EQ(call("DELETE", "alerts").headers.get("Allow"), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(call("POST", "status").status, 405);
}

// What the definitions of the OpenAPI contract say of an object: field -> kind, and which must be
// there. Written by hand from the contract; a test below compares the lists of required fields.
struct Schema {
  std::string definition;
  std::map<std::string, JsonValue::Kind> fields;
  std::vector<std::string> required;
};
using Kind = JsonValue::Kind;
const Schema kAlertSchema{
    "gettableAlert",
    {{"annotations", Kind::kObject},
     {"receivers", Kind::kArray},
     {"fingerprint", Kind::kString},
     {"startsAt", Kind::kString},
     {"updatedAt", Kind::kString},
     {"endsAt", Kind::kString},
     {"status", Kind::kObject},
     {"labels", Kind::kObject},
     {"generatorURL", Kind::kString}},
    {"receivers", "fingerprint", "startsAt", "updatedAt", "endsAt", "annotations", "status"}};
const Schema kAlertStatusSchema{"alertStatus",
                                {{"state", Kind::kString},
                                 {"silencedBy", Kind::kArray},
                                 {"inhibitedBy", Kind::kArray},
                                 {"mutedBy", Kind::kArray}},
                                {"state", "silencedBy", "inhibitedBy", "mutedBy"}};
const Schema kGroupSchema{"alertGroup",
                          {{"labels", Kind::kObject},
                           {"routeLabels", Kind::kObject},
                           {"receiver", Kind::kObject},
                           {"alerts", Kind::kArray}},
                          {"labels", "routeLabels", "receiver", "alerts"}};
const Schema kSilenceSchema{"gettableSilence",
                            {{"id", Kind::kString},
                             {"status", Kind::kObject},
                             {"updatedAt", Kind::kString},
                             {"annotations", Kind::kObject},
                             {"matchers", Kind::kArray},
                             {"startsAt", Kind::kString},
                             {"endsAt", Kind::kString},
                             {"createdBy", Kind::kString},
                             {"comment", Kind::kString}},
                            {"id", "status", "updatedAt", "annotations"}};
const Schema kBaseSilenceSchema{
    "silence", {}, {"matchers", "startsAt", "endsAt", "createdBy", "comment"}};
const Schema kMatcherSchema{"matcher",
                            {{"name", Kind::kString},
                             {"value", Kind::kString},
                             {"isRegex", Kind::kBoolean},
                             {"isEqual", Kind::kBoolean}},
                            {"name", "value", "isRegex"}};
const Schema kStatusSchema{"alertmanagerStatus",
                           {{"cluster", Kind::kObject},
                            {"versionInfo", Kind::kObject},
                            {"config", Kind::kObject},
                            {"uptime", Kind::kString}},
                           {"cluster", "versionInfo", "config", "uptime"}};
const Schema kVersionSchema{
    "versionInfo",
    {{"version", Kind::kString},
     {"revision", Kind::kString},
     {"branch", Kind::kString},
     {"buildUser", Kind::kString},
     {"buildDate", Kind::kString},
     {"goVersion", Kind::kString}},
    {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}};

void check_schema(const JsonValue& value, const Schema& schema) {
  ASSERT_TRUE(value.is(Kind::kObject)) << schema.definition;
  for (const std::string& name : schema.required)
    EXPECT_NE(value.find(name), nullptr) << schema.definition << ": " << name << " is required";
  for (const auto& [name, field] : value.entries()) {
    const auto known = schema.fields.find(name);
    ASSERT_NE(known, schema.fields.end())
        << schema.definition << ": " << name << " is not in the contract";
    EXPECT_EQ(field.kind(), known->second) << schema.definition << ": " << name;
  }
}

TEST_F(AlertmanagerApiTest, AnswersKeepTheContract) {
  post_alerts();
  clock_.advance(std::chrono::seconds(31));
  silence("alertname", "Slow");
  for (const JsonValue& alert : list("alerts")) {
    check_schema(alert, kAlertSchema);
    check_schema(*alert.find("status"), kAlertStatusSchema);
  }
  for (const JsonValue& group : list("alerts/groups")) {
    check_schema(group, kGroupSchema);
    for (const JsonValue& alert : group.find("alerts")->items()) check_schema(alert, kAlertSchema);
  }
  for (const JsonValue& one : list("silences")) {
    check_schema(one, kSilenceSchema);
    for (const std::string& name : kBaseSilenceSchema.required)
      EXPECT_NE(one.find(name), nullptr) << name;
    for (const JsonValue& matcher : one.find("matchers")->items())
      check_schema(matcher, kMatcherSchema);
  }
  const JsonValue status = json("status");
  check_schema(status, kStatusSchema);
  check_schema(*status.find("versionInfo"), kVersionSchema);
}

// The names below the first "required:" of a definition.
std::vector<std::string> required_in(const std::string& contract, const std::string& definition) {
  std::vector<std::string> names;
  std::size_t at = contract.find("\n  " + definition + ":\n");
  if (at == std::string::npos) return names;
  at = contract.find("required:\n", at);
  std::string_view lines = std::string_view(contract).substr(at);
  lines.remove_prefix(lines.find('\n') + 1);
  for (;;) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    const std::size_t dash = line.find_first_not_of(' ');
    if (dash == std::string_view::npos || line[dash] != '-' ||
        line.find('$') != std::string_view::npos)
      return names;
    names.emplace_back(line.substr(dash + 2));
    lines.remove_prefix(line.size() + 1);
  }
}

TEST(AlertmanagerContract, TheSchemasAboveAreThoseOfTheContract) {
  // Read before any thread starts.
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): see above
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  StatusOr<std::string> contract = base::real_file_system().read_file(
      fmt::format("{}/alertmanager-openapi-v2.yaml", folder), 1U << 20);
  ASSERT_TRUE(contract.ok());
  for (const Schema& schema : {kAlertSchema, kAlertStatusSchema, kGroupSchema, kSilenceSchema,
                               kBaseSilenceSchema, kMatcherSchema, kStatusSchema, kVersionSchema}) {
    EXPECT_EQ(required_in(*contract, schema.definition), schema.required) << schema.definition;
  }
}

}  // namespace
}  // namespace tocsin::web
