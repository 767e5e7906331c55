import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0004_mapping_decisions'),
    ]

    operations = [
        migrations.CreateModel(
            name='Draft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document', models.JSONField(help_text="The flow document; unlike a version's it may be unfinished.")),
                ('revision', models.PositiveIntegerField(default=1, help_text='Counts the changes and never goes back.')),
                ('known_since', models.PositiveIntegerField(default=1, help_text='Every change after this revision is among the edits.')),
                ('step_ids', models.JSONField(default=list, help_text='Ids that steps of the flow have or had: effects know steps by them.')),
                ('changed_by', models.CharField(max_length=254)),
                ('changed_at', models.DateTimeField()),
                ('base_version', models.ForeignKey(help_text='What it started from.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='flows.flowversion')),
                ('flow', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='draft', to='flows.flow')),
            ],
        ),
        migrations.CreateModel(
            name='DraftEdit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('revision', models.PositiveIntegerField(help_text="The draft's revision after the change.")),
                ('turned', models.PositiveIntegerField(default=0, help_text="The draft's revision after it was last taken back or made again.")),
                ('actor', models.CharField(max_length=254)),
                ('at', models.DateTimeField()),
                ('label', models.CharField(help_text='What was changed, in plain words.', max_length=200)),
                ('key', models.CharField(blank=True, help_text='Tells a repeated request from a new one.', max_length=40)),
                ('focus', models.CharField(blank=True, help_text='The step to look at afterwards.', max_length=60)),
                ('parts', models.JSONField(help_text='The parts of the document that it touches, as keys.')),
                ('forth', models.JSONField(help_text='Edits that make the change.')),
                ('back', models.JSONField(help_text='Edits that take it back.')),
                ('state', models.CharField(choices=[('done', 'Done'), ('undone', 'Undone'), ('gone', 'Gone')], default='done', max_length=6)),
                ('draft', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='edits', to='flows.draft')),
            ],
            options={
                'ordering': ('-revision',),
                'constraints': [models.UniqueConstraint(fields=('draft', 'revision'), name='one_edit_per_revision'), models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('draft', 'key'), name='one_edit_per_draft_and_key')],
            },
        ),
    ]
