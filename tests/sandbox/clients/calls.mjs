// Runs beside npm's braze-api: calls its methods as its documentation does, and prints what came of each as JSON.
//
// Takes the sandbox's URL and key, and ids to use. The client is a package of the working directory.

import { createRequire } from 'node:module'

const [url, key, json] = process.argv.slice(2)
const ids = JSON.parse(json)
const { Braze } = createRequire(`${process.cwd()}/`)('braze-api')
const braze = new Braze(url, key)

const at = '2026-03-04T09:00:00Z'
const schedule = { time: '2099-01-01T00:00:00Z' }
const later = { time: '2099-01-02T00:00:00Z' }
const recipients = [{ external_user_id: ids.user }]
const messages = {
  email: { app_id: ids.app, subject: 'Hello', from: 'Shop <shop@example.com>', body: '<p>Hello</p>' }
}
const alias = { alias_label: 'shop', alias_name: 'client-2' }
// What a call made that a later one needs.
const made = {}

const calls = {
  'users.track': () =>
    braze.users.track({
      attributes: [{ external_id: 'client-1', plan: 'plus' }],
      events: [{ external_id: 'client-1', name: 'opened', time: at }],
      purchases: [{ external_id: 'client-1', product_id: 'sku-1', currency: 'USD', price: 9.5, time: at }]
    }),
  'users.track, bulk': () => braze.users.track({ attributes: [{ external_id: 'client-1', plan: 'basic' }] }, true),
  'users.alias.new': () => braze.users.alias.new({ user_aliases: [alias] }),
  'users.alias.update': () =>
    braze.users.alias.update({
      alias_updates: [{ alias_label: 'shop', old_alias_name: 'client-2', new_alias_name: 'client-3' }]
    }),
  'users.identify': () =>
    braze.users.identify({
      aliases_to_identify: [{ external_id: 'client-4', user_alias: { ...alias, alias_name: 'client-3' } }]
    }),
  'users.merge': () =>
    braze.users.merge({
      merge_updates: [
        { identifier_to_merge: { external_id: 'client-4' }, identifier_to_keep: { external_id: 'client-1' } }
      ]
    }),
  'users.external_ids.rename': () =>
    braze.users.external_ids.rename({
      external_id_renames: [{ current_external_id: 'client-1', new_external_id: 'client-5' }]
    }),
  'users.external_ids.remove': () => braze.users.external_ids.remove({ external_ids: ['client-1'] }),
  'users.export.ids': () =>
    braze.users.export.ids({ external_ids: ['client-5'], fields_to_export: ['external_id', 'custom_attributes'] }),
  'users.export.segment': () =>
    braze.users.export.segment({ segment_id: ids.segment, callback_endpoint: '', fields_to_export: ['external_id'] }),
  'users.export.global_control_group': () =>
    braze.users.export.global_control_group({ callback_endpoint: '', fields_to_export: ['external_id'] }),
  'users.delete': () => braze.users.delete({ external_ids: ['client-5'] }),
  'messages.send': () => braze.messages.send({ external_user_ids: [ids.user], messages }),
  'messages.schedule.create': async () => {
    made.message = (
      await braze.messages.schedule.create({ external_user_ids: [ids.user], schedule, messages })
    ).schedule_id
  },
  'messages.schedule.update': () =>
    braze.messages.schedule.update({ schedule_id: made.message, schedule: later, messages }),
  'messages.scheduled_broadcasts': () => braze.messages.scheduled_broadcasts({ end_time: '2099-02-01T00:00:00Z' }),
  'messages.schedule.delete': () => braze.messages.schedule.delete({ schedule_id: made.message }),
  'sends.id.create': () => braze.sends.id.create({ campaign_id: ids.campaign, send_id: 'client-send' }),
  'transactional.v1.campaigns.send': () =>
    braze.transactional.v1.campaigns.send(ids.transactional, { recipient: recipients }),
  'transactional.v1.campaigns.send, one recipient': () =>
    braze.transactional.v1.campaigns.send(ids.transactional, { recipient: recipients[0] }),
  'campaigns.list': () => braze.campaigns.list({ page: 0, include_archived: true, sort_direction: 'desc' }),
  'campaigns.details': () => braze.campaigns.details({ campaign_id: ids.campaign }),
  'campaigns.trigger.send': () => braze.campaigns.trigger.send({ campaign_id: ids.campaign, recipients }),
  'campaigns.trigger.schedule.create': async () => {
    made.campaign = (
      await braze.campaigns.trigger.schedule.create({ campaign_id: ids.campaign, recipients, schedule })
    ).schedule_id
  },
  'campaigns.trigger.schedule.update': () =>
    braze.campaigns.trigger.schedule.update({
      campaign_id: ids.campaign,
      schedule_id: made.campaign,
      schedule: later
    }),
  'campaigns.trigger.schedule.delete': () =>
    braze.campaigns.trigger.schedule.delete({ campaign_id: ids.campaign, schedule_id: made.campaign }),
  'canvas.list': () => braze.canvas.list({ page: 0 }),
  'canvas.trigger.send': () => braze.canvas.trigger.send({ canvas_id: ids.canvas, recipients }),
  'canvas.trigger.schedule.create': async () => {
    made.canvas = (
      await braze.canvas.trigger.schedule.create({ canvas_id: ids.canvas, recipients, schedule })
    ).schedule_id
  },
  'canvas.trigger.schedule.update': () =>
    braze.canvas.trigger.schedule.update({ canvas_id: ids.canvas, schedule_id: made.canvas, schedule: later }),
  'canvas.trigger.schedule.delete': () =>
    braze.canvas.trigger.schedule.delete({ canvas_id: ids.canvas, schedule_id: made.canvas }),
  'catalogs.synchronous.list': () => braze.catalogs.synchronous.list(),
  'catalogs.synchronous.items': async () => {
    for await (const page of braze.catalogs.synchronous.items({ catalog_name: ids.catalog })) made.page = page
  },
  'catalogs.synchronous.item': () =>
    braze.catalogs.synchronous.item({ catalog_name: ids.catalog, item_id: ids.item }),
  'email.blacklist': () => braze.email.blacklist({ email: 'blocked@example.com' }),
  'email.bounce.remove': () => braze.email.bounce.remove({ email: ids.email }),
  'email.spam.remove': () => braze.email.spam.remove({ email: [ids.email] }),
  'segments.list': () => braze.segments.list({ page: 0 }),
  'segments.details': () => braze.segments.details({ segment_id: ids.segment }),
  'segments.analytics': () => braze.segments.analytics({ segment_id: ids.segment, length: 7 }),
  'subscription.status.set': () =>
    braze.subscription.status.set({
      subscription_group_id: ids.subscription_group,
      subscription_state: 'unsubscribed',
      external_id: [ids.user]
    }),
  'subscription.status.get': () =>
    braze.subscription.status.get({ subscription_group_id: ids.subscription_group, external_id: [ids.user] }),
  'subscription.user.status': () => braze.subscription.user.status({ external_id: [ids.user] }),
  'v2.subscription.status.set': () =>
    braze.v2.subscription.status.set({
      subscription_groups: [
        {
          subscription_group_id: ids.subscription_group,
          subscription_state: 'subscribed',
          external_ids: [ids.user]
        }
      ]
    }),
  'templates.content_blocks.list': () => braze.templates.content_blocks.list({ limit: 10 }),
  'templates.content_blocks.get': () =>
    braze.templates.content_blocks.get({ content_block_id: ids.content_block, include_inclusion_data: true }),
  'templates.content_blocks.create': () =>
    braze.templates.content_blocks.create({ name: 'made_by_a_client', content: 'Hello', state: 'draft' }),
  'templates.content_blocks.update': () =>
    braze.templates.content_blocks.update({ content_block_id: ids.content_block, content: 'Hi' }),
  'templates.email_templates.list': () => braze.templates.email_templates.list({ limit: 10 }),
  'templates.email_templates.get': () =>
    braze.templates.email_templates.get({ email_template_id: ids.email_template }),
  'templates.email_templates.create': () =>
    braze.templates.email_templates.create({ template_name: 'Made', subject: 'Hello', body: '<p>Hello</p>' }),
  'templates.email_templates.update': () =>
    braze.templates.email_templates.update({ email_template_id: ids.email_template, subject: 'Hi' })
}

const requests = async () => (await (await fetch(`${url}/sandbox/requests`)).json()).requests

for (const [method, call] of Object.entries(calls)) {
  const before = (await requests()).length
  let error = null
  try {
    await call()
  } catch (raised) {
    error = raised.constructor.name
  }
  const sent = (await requests()).slice(before).map((one) => `${one.method} ${one.path} ${one.status}`)
  console.log(`\nRESULT ${JSON.stringify({ method, requests: sent, error })}`)
}
