# What somebody may put where models are: links and pipes, endless files, names that lead elsewhere.
# Nothing of it shows what only the server may read, and nothing of it hangs.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use JSON::PP;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $root = PostgreSQL::Test::Utils::tempdir();
my $models = "$root/models";
my $directory = "$models/org/name";
my $path = quote_path($directory);
my $repository = "$models/models--org--cached";
my $node = start_node('attacks', conf => "tfm.model_path = '$models'\nstatement_timeout = '20s'\n");

# A secret that only the server may read, in several forms.
my $word = 'zanzibar';
make_path("$root/secret");
write_raw("$root/secret/text", "$word\nroot:$word:0\n");
write_raw("$root/secret/json", encode_json({ model_type => $word, password => $word, chat_template => $word }));
write_raw("$root/secret/main", "$word\n");
write_raw("$root/secret/config.json", encode_json({ word_embedding_dimension => 16, pooling_mode => $word }));

sub fresh
{
	remove_tree($directory);
	copy_checkpoint('sentence/mean', $directory);
}

# A file of the checkpoint becomes a link.
sub linked
{
	my ($name, $target) = @_;

	return sub {
		make_path("$directory/$1") if $name =~ m{^(.*)/};
		unlink "$directory/$name";
		$target = "../$target" if $name =~ m{/} && $target =~ /^\.\./;
		symlink $target, "$directory/$name" or die $!;
	};
}

sub edited
{
	my ($name, $edit) = @_;

	return sub {
		my $value = -f "$directory/$name" ? decode_json(slurp_raw("$directory/$name")) : {};

		$edit->($value);
		write_raw("$directory/$name", encode_json($value));
	};
}

sub piped
{
	my ($name) = @_;

	return sub {
		unlink "$directory/$name";
		mkfifo("$directory/$name", 0600) or die $!;
	};
}

# Everything that reads the checkpoint, by a role with no more than ids, and by one who loads it: what is said.
my @readers = (
	q{SELECT tfm_tokenize('org/name', 'zanzibar')},
	q{SELECT tfm_detokenize('org/name', ARRAY(SELECT generate_series(0, 200)))},
	q{SELECT tfm_embed('org/name', 'x')},
	q{SELECT tfm_apply_chat_template('org/name', '[{"role": "user", "content": "hi"}]')},
	q{SELECT tfm_forward('org/name', '{"input_ids": [[2, 3]]}')});

sub said
{
	my ($stdout, $stderr) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n" . join(";\n", 'SET ROLE someone', @readers, 'RESET ROLE',
			"SELECT tfm_load_model('m', $path, replace => true)", 'SELECT * FROM tfm_models', "SELECT tfm_import_model('i', $path, replace => true)"),
		stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	return $stderr . $stdout =~ s/^.*$word.*tokenize.*$//gmr;
}

$node->safe_psql('postgres', 'CREATE ROLE someone');

my $in = "$root/secret";
my @cases = (
	# name, what is done, the errors that it may end in; none: it may work
	map({ my $name = $_; map { [ "$name is a link to $_", linked($name, $_), 'XX001' ] } "$in/text", "$in/json", '../../../secret/json', '/etc/passwd' }
		qw(config.json tokenizer.json tokenizer_config.json modules.json sentence_bert_config.json special_tokens_map.json
		chat_template.jinja additional_chat_templates/tool.jinja model.safetensors 1_Pooling/config.json vocab.txt)),
	[ 'a folder that is a link', sub { remove_tree("$directory/1_Pooling"); symlink $in, "$directory/1_Pooling" or die $! }, 'XX001' ],
	[ 'a chain of links', sub { linked('vocab.txt', 'a')->(); symlink 'b', "$directory/a"; symlink "$in/text", "$directory/b" }, 'XX001' ],
	[ 'links through the system', linked('vocab.txt', "/proc/self/root$in/text"), 'XX001' ],
	[ 'what the server itself is', linked('chat_template.jinja', '/proc/self/environ'), 'XX001' ],
	[ 'its command line', linked('chat_template.jinja', '/proc/self/cmdline'), 'XX001' ],
	[ "the server's files", linked('vocab.txt', $node->data_dir . '/pg_hba.conf'), 'XX001' ],
	# Names within files.
	map({ my $name = $_; [ "an index that names $name",
			sub { unlink "$directory/model.safetensors"; edited('model.safetensors.index.json', sub { $_[0]{weight_map} = { x => $name } })->() }, 'XX001|58P01' ] }
		"$in/text", '../../../secret/text', '..', '.', '', 'a/../../../../secret/text'),
	map({ my $name = $_; [ "a module in $name", edited('modules.json', sub { $_[0][1]{path} = $name }), 'XX001|58P01|0A000' ] } $in, '../../../secret', '..', '1_Pooling/../../../../secret'),
	map({ my $key = $_; [ "a tokenizer whose $key is elsewhere",
			sub { unlink "$directory/tokenizer.json"; edited('tokenizer_config.json', sub { $_[0]{$key} = "$in/text" })->() }, '' ] }
		qw(vocab_file tokenizer_file merges_file name_or_path tokenizer_class chat_template_file)),
	[ 'a template that includes a file', sub { write_raw("$directory/chat_template.jinja", "{% include '$in/text' %}{{ open('$in/text').read() }}") }, '' ],
	[ 'a template that imports a file', sub { write_raw("$directory/chat_template.jinja", "{% import '$in/text' as x %}{{ x }}") }, '' ],
	# What cannot be read to its end.
	map({ [ "$_ is a pipe", piped($_), '' ] } qw(config.json tokenizer.json model.safetensors chat_template.jinja modules.json 1_Pooling/config.json)),
	map({ [ "$_ is a device", linked($_, '/dev/zero'), '' ] } qw(config.json tokenizer.json model.safetensors)),
	[ 'a terminal', linked('config.json', '/dev/tty'), '' ],
	[ 'a folder of links to itself', sub { symlink '.', "$directory/additional_chat_templates" }, '' ]);

my ($reads, @leaks, @wrong) = (0);
for my $case (@cases)
{
	my ($name, $break, $expected) = @$case;

	fresh();
	$break->();
	my $said = said();
	my @errors = $said =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}): /g;

	push @leaks, "$name: $said" if $said =~ /$word|root:x:0|PGDATA|PATH=|--cluster-name|local\s+all/;
	push @wrong, "$name: $said" if $expected ne '' && !grep { /^(?:$expected)$/ } @errors;
	push @wrong, "$name: $said" if grep { /^(?:57014|XX000|57P0.)$/ } @errors;
}
is(join("\n", @leaks), '', 'nothing shows what only the server may read');
is(join("\n", @wrong), '', scalar(@cases) . ' cases end in their errors, and end');

# What a link may do: a cache of Hugging Face, and a whole directory.
make_path("$repository/blobs", "$repository/refs", "$repository/snapshots");
fresh();
my $expected = $node->safe_psql('postgres', q{SELECT tfm_embed('org/name', 'a text')});
copy_checkpoint('sentence/mean', "$repository/snapshots/abc1");
my $number = 0;
for my $file (glob("$repository/snapshots/abc1/*"), glob("$repository/snapshots/abc1/*/*"))
{
	next unless -f $file;
	my $up = $file =~ m{abc1/.*/} ? '../../..' : '../..';

	rename $file, "$repository/blobs/" . ++$number or die $!;
	symlink "$up/blobs/$number", $file or die $!;
}
is($node->safe_psql('postgres', q{SET ROLE someone; SELECT tfm_embed('org/cached', 'a text')}), $expected, 'links to blobs of a cache');
symlink $directory, "$models/org/linked" or die $!;
is($node->safe_psql('postgres', q{SELECT tfm_embed('org/linked', 'a text')}), $expected, 'a directory that is a link');
unlink "$directory/config.json";
rename "$directory/tokenizer.json", "$directory/real.json" or die $!;
symlink 'real.json', "$directory/tokenizer.json" or die $!;
is($node->safe_psql('postgres', q{SELECT tfm_tokenize('org/name', 'hello')}), '{2,28,3}', 'a link within the directory');

# References of a cache are not followed, waited for, or repeated.
for my $case ([ 'a link', sub { symlink "$in/main", $_[0] } ], [ 'a pipe', sub { mkfifo($_[0], 0600) } ],
	[ 'words', sub { write_raw($_[0], $word) } ], [ 'a way out', sub { write_raw($_[0], '../../../secret') } ])
{
	my ($name, $make) = @$case;

	make_path("$repository/snapshots/other");
	unlink "$repository/refs/main";
	$make->("$repository/refs/main");
	for my $model ('org/cached', $repository)
	{
		my ($sqlstate, $message) = sql_error($node, "SELECT tfm_embed('$model', 'x')");
		like($sqlstate, qr/^(?:42704|58P01)$/, "a reference that is $name");
		unlike($message, qr/$word/, 'is not told');
	}
}

# Files without an end are cancelled like anything else; what is too large is not read.
fresh();
truncate "$directory/tokenizer.json", 2**40 or die $!;
is((sql_error($node, qq{SET statement_timeout = '300ms'; SELECT tfm_tokenize($path, 'x')}))[0], '57014', 'a sparse file of a terabyte');
fresh();
truncate "$directory/model.safetensors", 2**40 or die $!;
is((sql_error($node, qq{SET statement_timeout = '300ms'; SELECT tfm_load_model('sparse', $path)}))[0], '57014', 'sparse weights');

# Paths are for those who may read files, and nobody else learns whether they are there.
my ($there) = join '|', sql_error($node, "SET ROLE someone; SELECT tfm_tokenize('$in', 'x')");
my ($not_there) = join '|', sql_error($node, "SET ROLE someone; SELECT tfm_tokenize('$in/none', 'x')");
is($there =~ s/\Q$in\E//gr, $not_there =~ s/\Q$in\E\/none//gr, 'a path that is there and one that is not are the same');
is((sql_error($node, "SET ROLE someone; SELECT tfm_tokenize('$_', 'x')"))[0], '42704', "no id: $_")
  for '../secret', 'org/../../secret', 'org/name/../../../secret', '.', '..', '', 'org/./name', '~/x', "org\\name";

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is fine');
$node->stop;
done_testing();
