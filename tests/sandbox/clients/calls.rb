# frozen_string_literal: true

# Runs beside the gem braze_ruby: calls its methods as its README does, and prints what came of each as JSON.
#
# Takes the sandbox's URL and key, ids to use, and the version of the gem that the page is of.

require "json"
require "net/http"
require "time"
require "braze_ruby"

url, key, json, version = ARGV
abort "braze_ruby #{BrazeRuby::VERSION} is here, and #{version} is wanted" if BrazeRuby::VERSION != version

ids = JSON.parse(json, symbolize_names: true)
api = BrazeRuby::API.new(key, url)

at = Time.utc(2026, 3, 4, 9)
messages = {email: {app_id: ids[:app], subject: "Hello", from: "Shop <shop@example.com>", body: "<p>Hello</p>"}}
recipients = [{external_user_id: ids[:user]}]
user_alias = {alias_name: "device123", alias_label: "my_device_identifier"}
fields = [{name: "id", type: "string"}, {name: "Name", type: "string"}, {name: "Open", type: "boolean"}]
# What a call made that a later one needs.
made = {}

calls = {
  "track_users, attributes" => -> { api.track_users(attributes: [{external_id: 123, first_name: "John"}]) },
  "track_attribute" => -> { api.track_attribute(external_id: 123, first_name: "Jane") },
  "track_users, events" => -> { api.track_users(events: [{external_id: 123, name: "add-to-cart", time: at}]) },
  "track_users, events in ISO 8601" => lambda {
    api.track_users(events: [{external_id: 123, name: "add-to-cart", time: at.iso8601}])
  },
  "track_event" => -> { api.track_event(external_id: 123, name: "add-to-cart", time: at.iso8601) },
  "track_purchase" => lambda {
    api.track_purchase(external_id: 123, product_id: 456, currency: "CAD", price: 1.99, time: at.iso8601)
  },
  "send_messages" => -> { api.send_messages(messages: messages, external_user_ids: [ids[:user], 123]) },
  "schedule_messages" => lambda {
    api.schedule_messages(time: "2099-01-01T00:00:00Z", messages: messages, external_user_ids: [ids[:user]])
  },
  "trigger_campaign_schedule" => lambda {
    api.trigger_campaign_schedule(
      campaign_id: ids[:campaign], recipients: recipients, schedule: {time: "2099-01-01T00:00:00Z"}
    ).tap { |answer| made[:schedule] = JSON.parse(answer.body)["schedule_id"] }
  },
  "delete_campaign_trigger_schedule" => lambda {
    api.delete_campaign_trigger_schedule(campaign_id: ids[:campaign], schedule_id: made[:schedule])
  },
  "trigger_campaign_send" => -> { api.trigger_campaign_send(campaign_id: ids[:campaign], recipients: recipients) },
  "trigger_canvas_send" => -> { api.trigger_canvas_send(canvas_id: ids[:canvas], recipients: recipients) },
  "canvas_details" => -> { api.canvas_details(canvas_id: ids[:canvas]) },
  "email_status" => -> { api.email_status(email: ids[:email], status: :opted_in) },
  "scheduled_messages" => -> { api.scheduled_messages(end_time: "2099-02-01T00:00:00Z") },
  "list_segments" => -> { api.list_segments },
  "export_users, ids" => -> { api.export_users(external_ids: [123], fields_to_export: ["external_id"]) },
  "export_users, ids, all fields" => -> { api.export_users(external_ids: [123]) },
  "export_users, segment" => lambda {
    api.export_users(segment_id: ids[:segment], callback_endpoint: "", fields_to_export: ["external_id"])
  },
  "subscription_status_set" => lambda {
    api.subscription_status_set(
      external_id: [123], subscription_group_id: ids[:subscription_group], subscription_state: "subscribed"
    )
  },
  "subscription_user_status" => -> { api.subscription_user_status(external_id: [123]) },
  "subscription_status_get" => lambda {
    api.subscription_status_get(external_id: [123], subscription_group_id: ids[:subscription_group])
  },
  "v2_subscription_status_set" => lambda {
    api.v2_subscription_status_set(
      subscription_groups: [
        {external_id: [123], subscription_group_id: ids[:subscription_group], subscription_state: "unsubscribed"}
      ]
    )
  },
  "create_user_aliases" => -> { api.create_user_aliases(user_aliases: [{user_alias: user_alias}]) },
  "identify_users" => lambda {
    api.identify_users(aliases_to_identify: [{external_id: 1234, user_alias: user_alias}])
  },
  "rename_external_ids" => lambda {
    api.rename_external_ids(external_id_renames: [{current_external_id: "1234", new_external_id: "new_external_id"}])
  },
  "remove_external_ids" => -> { api.remove_external_ids(external_ids: ["1234"]) },
  "delete_users" => -> { api.delete_users([123, 2, 3]) },
  "email_unsubscribes" => -> { api.email_unsubscribes(email: ["jdoe@example.com"]) },
  "email_hard_bounces" => -> { api.email_hard_bounces(email: ["jdoe@example.com"]) },
  "remove_emails_from_spam" => -> { api.remove_emails_from_spam(email: ["jdoe@example.com"]) },
  "create_catalogs" => lambda {
    api.create_catalogs(catalogs: [{name: "diners", description: "My Diners", fields: fields}])
  },
  "list_catalogs" => -> { api.list_catalogs },
  "create_catalog_items" => lambda {
    api.create_catalog_items("diners", items: [{id: "restaurant1", Name: "Restaurant1", Open: true}])
  },
  "update_catalog_items" => lambda {
    api.update_catalog_items("diners", items: [{id: "restaurant2", Name: "NewRestaurantName", Open: false}])
  },
  "edit_catalog_items" => lambda {
    api.edit_catalog_items("diners", items: [{id: "restaurant1", Name: "NewRestaurantName"}])
  },
  "delete_catalog_items" => -> { api.delete_catalog_items("diners", items: [{id: "restaurant1"}]) },
  "delete_catalog" => -> { api.delete_catalog("diners") },
  "export_campaigns_list" => -> { api.export_campaigns_list(page: 1) },
  "export_campaign_details" => -> { api.export_campaign_details(campaign_id: ids[:campaign]) },
  "export_campaign_details, a number" => -> { api.export_campaign_details(campaign_id: 1) },
  "export_campaign_analytics" => lambda {
    api.export_campaign_analytics(campaign_id: ids[:campaign], length: 100, ending_at: "2022-12-13T11:21:09-08:00")
  }
}

requests = -> { JSON.parse(Net::HTTP.get(URI("#{url}/sandbox/requests")))["requests"] }

calls.each do |method, call|
  before = requests.call.length
  error = nil
  begin
    call.call
  rescue => raised
    error = raised.class.name
  end
  sent = requests.call.drop(before).map { |one| "#{one["method"]} #{one["path"]} #{one["status"]}" }
  puts "\nRESULT #{JSON.generate({method: method, requests: sent, error: error})}"
end
