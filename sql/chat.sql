-- Prompts and texts made by templates.
\getenv golden TFM_GOLDEN
\set words :golden '/chat/words'
\set listed :golden '/chat/listed'
\set no_default :golden '/chat/no_default'
\set none :golden '/chat/none'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('words', :'words'), tfm_load_model('listed', :'listed'),
	tfm_load_model('no_default', :'no_default'), tfm_load_model('none', :'none'), tfm_load_model('tiny', :'mean');

\set messages '[{"role": "user", "content": "hello, what is it?"}, {"role": "assistant", "content": "a cat"}, {"role": "user", "content": "sure?"}]'
SELECT tfm_apply_chat_template('words', :'messages');
SELECT tfm_apply_chat_template('words', :'messages', add_generation_prompt => true);
SELECT tfm_apply_chat_template('words', '[{"role": "user", "content": "what?"}, {"role": "assistant", "content": "it is"}]', continue_final_message => true);
-- Templates of several: by what is given, by name, or given themselves.
SELECT tfm_apply_chat_template('listed', :'messages');
SELECT tfm_apply_chat_template('listed', '[{"role": "user", "content": "what?"}]', tools => '[{"type": "function", "function": {"name": "look"}}]');
SELECT tfm_apply_chat_template('listed', '[{"role": "user", "content": "what?"}]', tools => 'null') =
	tfm_apply_chat_template('listed', '[{"role": "user", "content": "what?"}]') AS same;
SELECT tfm_apply_chat_template('listed', '[{"role": "user", "content": "what?"}]', chat_template => 'rag',
	documents => '[{"title": "one", "text": "the cat"}, {"title": "two", "text": "the mat"}]', kwargs => '{"style": "!"}');
SELECT tfm_apply_chat_template('no_default', :'messages');
SELECT tfm_apply_chat_template('none', :'messages');
SELECT tfm_apply_chat_template('tiny', :'messages');
SELECT tfm_apply_chat_template('tiny', :'messages', chat_template => '{{ cls_token }}{% for m in messages %} {{ m.content }}{% endfor %}{{ sep_token }}');
SELECT tfm_apply_chat_template('words', :'messages', chat_template => '{{ bos_token }} {{ messages | length }}', kwargs => '{"bos_token": "<other>"}');
-- Parts of a message, and objects as jsonb keeps them.
SELECT tfm_apply_chat_template('words', '[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]',
	chat_template => '{% for m in messages %}{% for p in m.content %}{{ "<image>" if p.type == "image" else p.text }}{% endfor %}{% endfor %}');
SELECT tfm_apply_chat_template('words', '[{"role": "user", "name": "me", "content": null}]', chat_template => '{{ messages | tojson }}');

-- What is wrong is told, with the line of the template.
SELECT tfm_apply_chat_template('words', '[]');
SELECT tfm_apply_chat_template('words', '{"role": "user"}');
SELECT tfm_apply_chat_template('words', '["hello"]');
SELECT tfm_apply_chat_template('words', :'messages', add_generation_prompt => true, continue_final_message => true);
SELECT tfm_apply_chat_template('words', :'messages', kwargs => '[1]');
SELECT tfm_apply_chat_template('words', :'messages', chat_template => E'{% for m in messages %}\n{{ m.content }');
SELECT tfm_apply_chat_template('words', :'messages', chat_template => E'\n{{ raise_exception("roles must alternate") }}');
SELECT tfm_apply_chat_template('words', :'messages', chat_template => E'{{ missing.part }}');
SELECT tfm_apply_chat_template('no such model', :'messages');

-- Nothing.
SELECT tfm_apply_chat_template(NULL, :'messages') IS NULL AND tfm_apply_chat_template('words', NULL) IS NULL
	AND tfm_render(NULL, '{}') IS NULL AND tfm_render('x', NULL) IS NULL AS nothing;
SELECT tfm_apply_chat_template('words', :'messages', NULL, NULL, NULL, NULL, NULL, NULL) = tfm_apply_chat_template('words', :'messages') AS same;

-- Any template over any values.
SELECT tfm_render('Hello {{ name }}!', '{"name": "Jürgen 🙂"}');
SELECT tfm_render('no variables'), tfm_render('') = '' AS empty;
SELECT tfm_render(E'{% for r in rows %}\n  {{ loop.index }}. {{ r.name | upper }}: {{ "%.2f" | format(r.price) }}\n{% endfor %}',
	jsonb_build_object('rows', jsonb_agg(t))) FROM (VALUES ('tea', 3.5), ('milk', 1)) AS t (name, price);
SELECT tfm_render('{{ x }} {{ y }} {{ z }} {{ n }} {{ t }} {{ l }} {{ d }}',
	'{"x": 1, "y": 1.0, "z": 12345678901234567890, "n": null, "t": true, "l": [1, "a"], "d": {"bb": 1, "a": 2}}');
SELECT tfm_render('{{ d | tojson }}', '{"d": {"long": 1, "b": [1.50, null]}}');
SELECT tfm_render('{{ undefined_one }}|{{ undefined_one is defined }}');
SELECT tfm_render('{{ 1 + }}');
SELECT tfm_render('{{ ("x" * 3).__class__ }}');
SELECT tfm_render('{% include "pg_hba.conf" %}');
SELECT tfm_render('x', '[1]');
SELECT tfm_render('{% if x %}');
-- The clock is the statement's, in the session's time zone.
SET timezone = 'Asia/Tokyo';
SELECT tfm_render('{{ strftime_now("%Y-%m-%d %H:%M") }}') = to_char(statement_timestamp(), 'YYYY-MM-DD HH24:MI') AS same;
SET timezone = 'America/New_York';
SELECT tfm_render('{{ strftime_now("%d %b %Y %H") }}') = to_char(statement_timestamp(), 'DD Mon YYYY HH24') AS same;
RESET timezone;

-- Rows, in parallel workers as well.
CREATE TABLE turns (chat integer, turn integer, who text, what text);
INSERT INTO turns SELECT i / 2, i % 2, CASE i % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, 'turn ' || i FROM generate_series(0, 5) AS i;
SELECT chat, tfm_apply_chat_template('words', jsonb_agg(jsonb_build_object('role', who, 'content', what) ORDER BY turn)) AS prompt
FROM turns GROUP BY chat ORDER BY chat;
SELECT p.oid::regprocedure, provolatile, proisstrict, proparallel FROM pg_proc p
WHERE proname IN ('tfm_apply_chat_template', 'tfm_render') ORDER BY p.oid::regprocedure::text COLLATE "C";
CREATE INDEX ON turns (tfm_render(what));
DROP TABLE turns;

-- Privileges: a template of one's own over no model takes none.
CREATE ROLE regress_tfm_reader;
SET ROLE regress_tfm_reader;
SELECT tfm_apply_chat_template('words', '[{"role": "user", "content": "hello"}]');
SELECT tfm_render('{{ 6 * 7 }}');
RESET ROLE;
DROP ROLE regress_tfm_reader;
SELECT tfm_drop_model(name::text) FROM tfm_models;
