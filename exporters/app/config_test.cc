// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/testing/fake_input.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::HasSubstr;

class AppConfigTest : public ::testing::Test {
 protected:
  StatusOr<AppConfig> parse(std::string_view text) {
    return AppConfig::parse(text, "/etc/app.yml", testing::fake_kinds(), services_.all());
  }
  testing::FakeServices services_;
};

TEST_F(AppConfigTest, MakesAnInputOfEachSection) {
  const StatusOr<AppConfig> config = parse(
      "global: {labels: {zone: b, env: prod}, max_series: 7}\n"
      "fakes: [{name: a}, {name: b}]\n"
      "sink: {}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->labels, (LabelPairs{{"env", "prod"}, {"zone", "b"}}));
  EXPECT_EQ(config->max_series, 7U);
  ASSERT_EQ(config->inputs.size(), 3U);
  EXPECT_EQ(config->inputs[0].input->name(), "fakes/a");
  EXPECT_EQ(config->inputs[2].input->name(), "sink");
  EXPECT_EQ(config->inputs[2].route, "sink");
  EXPECT_TRUE(testing::fake_log().take().empty()) << "nothing may start before all is checked";
}

TEST_F(AppConfigTest, RefusesWhatItDoesNotKnow) {
  const auto check = [this](std::string_view text, std::string_view error) {
    const StatusOr<AppConfig> config = parse(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_THAT(std::string(message(config.status())), HasSubstr(std::string(error))) << text;
  };
  check("fakes: [{name: a}]\nlogz: []\n",
        "/etc/app.yml:2:1: field logz not found in the top level");
  check("fakes: [{name: a, nmae: b}]\n", "/etc/app.yml:1:19: field nmae not found in fakes[0]");
  check("fakes: [{name: a}, {name: a}]\n", "two sources are called \"fakes/a\": give one a name");
  check("global: {max_series: 0}\n", "global.max_series: must be from 1 to");
  check("global: {labels: {__x: y}}\n", "\"__x\" is not a valid label name");
  check("later: []\n", "not supported yet: later");
  EXPECT_EQ(parse("later: []\n").status().code(), StatusCode::kUnimplemented);
}

TEST_F(AppConfigTest, BoundsTheNumberOfInputs) {
  std::string text = "fakes:\n";
  for (std::size_t i = 0; i <= AppConfig::kMaxInputs; ++i) {
    text.append(fmt::format("- {{name: f{}}}\n", i));
  }
  EXPECT_THAT(std::string(message(parse(text).status())), HasSubstr("more than 128 inputs"));
}

TEST_F(AppConfigTest, IdentityIsWhatTheSectionSaysNotHowItIsWritten) {
  const auto identity = [this](std::string_view text) {
    StatusOr<AppConfig> config = parse(text);
    return config.ok() ? config->inputs.at(0).identity : std::string(message(config.status()));
  };
  const std::string plain = identity("fakes: [{name: a, text: x}]");
  EXPECT_EQ(identity("# a comment\nfakes:\n- name: a\n  text: x\n"), plain);
  EXPECT_NE(identity("fakes: [{name: a, text: y}]"), plain);
  EXPECT_NE(identity("fakes: [{name: a, text: x}]\nglobal: {max_series: 9}"), plain);
  EXPECT_EQ(identity("fakes: [{name: a, text: x}]\nglobal: {labels: {a: b}}"), plain);
}

TEST_F(AppConfigTest, PrintsItselfWithoutSecrets) {
  const StatusOr<base::YamlNode> node = base::parse_yaml(
      "modules:\n  web:\n    http:\n      basic_auth: {username: u, password: hunter2}\n"
      "      headers: {X-Token: hunter3}\n      bearer_token: hunter4\n"
      "      valid_status_codes: [200, 204]\n      password_file: /etc/pw\n"
      "  ws: {headers: {A: {secrets: [hunter6], values: [b]}}}\n"
      "celery:\n- broker: redis://user:hunter5@host:6379/0\n  empty: []\n  text: '5'\n",
      "f.yml");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(print_masked(*node),
            "modules:\n  web:\n    http:\n      basic_auth:\n        username: u\n"
            "        password: <secret>\n      headers:\n        \"X-Token\": <secret>\n"
            "      bearer_token: <secret>\n      valid_status_codes:\n      - 200\n      - 204\n"
            "      password_file: /etc/pw\n"
            "  ws:\n    headers:\n      A:\n        secrets:\n        - <secret>\n"
            "        values:\n        - b\n"
            "celery:\n- broker: \"redis://<secret>@host:6379/0\"\n  empty: []\n  text: \"5\"\n");
}

}  // namespace
}  // namespace tocsin::exporters::app
